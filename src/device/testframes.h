/* Frames made by hand, and a slow checksum to judge fast ones by. Included by the tests of
 * src/device only. */
#ifndef L4_DEVICE_TESTFRAMES_H
#define L4_DEVICE_TESTFRAMES_H

#include <layer4/device.h>

#include <string.h>

#include "base/cursor.h"

/* What to make. Zero fields: IPv4 over Ethernet, ACK only, no options. */
struct shape {
	const char *name;
	bool v6, bare_ip, udp;
	int tags;          /* VLAN tags */
	unsigned ip_opts;  /* bytes of IPv4 options */
	unsigned tcp_opts; /* bytes */
	uint8_t flags;     /* TCP flags besides ACK */
	uint8_t tos;
	uint32_t payload; /* bytes */
	uint32_t seq;
	uint8_t fill; /* added to the payload's pattern */
};

static inline uint16_t slow_sum(const uint8_t *p, size_t n, uint32_t sum)
{
	for (size_t i = 0; i < n; i++)
		sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* The pseudo-header's sum for the IP packet at ip. */
static inline uint16_t slow_pseudo(const uint8_t *ip, uint32_t l4_len, uint8_t proto)
{
	uint32_t s = ip[0] >> 4 == 4 ? slow_sum(ip + 12, 8, 0) : slow_sum(ip + 8, 32, 0);
	s += (l4_len >> 16) + (l4_len & 0xffff) + proto;
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return (uint16_t)s;
}

struct made {
	uint8_t bytes[70000];
	uint32_t len, l3, l4, hdr;
};

static inline uint8_t pattern(uint32_t i, uint8_t fill)
{
	return (uint8_t)(i * 7 + (i >> 8) * 13 + fill);
}

/* Makes the frame with the whole payload; the checksum field holds the pseudo-header's sum. */
static inline void make(struct made *m, const struct shape *s)
{
	uint8_t *p = m->bytes;
	uint8_t proto = s->udp ? 17 : 6;
	memset(m, 0, sizeof *m);
	if (!s->bare_ip) {
		memcpy(p, "\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x01", 12);
		p += 12;
		for (int i = 0; i < s->tags; i++, p += 4) {
			l4_put_u16(p, 0x8100);
			l4_put_u16(p + 2, (uint16_t)(100 + i));
		}
		l4_put_u16(p, s->v6 ? 0x86dd : 0x0800);
		p += 2;
	}
	m->l3 = (uint32_t)(p - m->bytes);
	m->l4 = m->l3 + (s->v6 ? 40 : 20 + s->ip_opts);
	m->hdr = m->l4 + (s->udp ? 8 : 20 + s->tcp_opts);
	m->len = m->hdr + s->payload;
	if (s->v6) {
		l4_put_u32(p, 6u << 28 | (uint32_t)s->tos << 20 | 0x12345);
		l4_put_u16(p + 4, (uint16_t)(m->len - m->l4));
		p[6] = proto;
		p[7] = 64;
		for (uint8_t i = 0; i < 32; i++)
			p[8 + i] = (uint8_t)(0x20 + i);
	} else {
		p[0] = (uint8_t)(0x40 | (20 + s->ip_opts) / 4);
		p[1] = s->tos;
		l4_put_u16(p + 2, (uint16_t)(m->len - m->l3));
		l4_put_u16(p + 4, 0xfffe); /* wraps at the third part */
		p[6] = 0x40;
		p[8] = 64;
		p[9] = proto;
		memcpy(p + 12, "\xc0\x00\x02\x01\xc0\x00\x02\x02", 8);
		memset(p + 20, 1, s->ip_opts);
		l4_put_u16(p + 10, (uint16_t)~slow_sum(p, 20 + s->ip_opts, 0));
	}
	uint8_t *t = m->bytes + m->l4;
	l4_put_u16(t, 40000);
	l4_put_u16(t + 2, 80);
	uint16_t pseudo = slow_pseudo(m->bytes + m->l3, m->len - m->l4, proto);
	if (s->udp) {
		l4_put_u16(t + 4, (uint16_t)(m->len - m->l4));
		l4_put_u16(t + 6, pseudo);
	} else {
		l4_put_u32(t + 4, s->seq);
		l4_put_u32(t + 8, 77);
		t[12] = (uint8_t)((20 + s->tcp_opts) / 4 << 4);
		t[13] = 0x10 | s->flags;
		l4_put_u16(t + 14, 500);
		memset(t + 20, 1, s->tcp_opts);
		l4_put_u16(t + 16, pseudo);
	}
	for (uint32_t i = 0; i < s->payload; i++)
		m->bytes[m->hdr + i] = pattern(i, s->fill);
}

/* Finishes the checksum in place, as a device with offload would. */
static inline void finish_sum(struct made *m, bool udp)
{
	uint8_t *f = m->bytes + m->l4 + (udp ? 6 : 16);
	l4_put_u16(f, (uint16_t)~slow_sum(m->bytes + m->l4, m->len - m->l4, 0));
}

/* A frame of one piece over bytes. */
static inline struct l4_frame one_piece(struct l4_piece *p, const void *bytes, uint32_t len)
{
	struct l4_frame f;
	memset(&f, 0, sizeof f);
	*p = (struct l4_piece){ bytes, len };
	f.pieces = p;
	f.n_pieces = 1;
	f.len = len;
	return f;
}

#endif
