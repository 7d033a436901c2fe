/* Packets for the stack: bytes from a script's line.
 *
 * Script numbers become live ones: an inbound SYN's own number is literal, all other numbers are
 * offsets; an echoed timestamp becomes the live value that went with it. Payload is zero bytes.
 * Checksums are right. An ICMP error quotes the IP header of the packet that it blames and eight
 * bytes of what follows (RFC 792; RFC 4443 would have more, the stack must take this). */
#include "drill/packet.h"

#include <layer4/checksum.h>

#include <stdio.h>
#include <string.h>

#include "base/cursor.h"

#define TTL_IN 255

static uint8_t *ip_header(struct l4_wr *w, bool v6, const struct l4_addr *src,
    const struct l4_addr *dst, uint8_t proto, uint8_t tos, uint32_t flow, uint8_t ttl,
    size_t payload)
{
	uint8_t *h = w->p;
	if (v6) {
		l4_wr_u32(w, 6u << 28 | (uint32_t)tos << 20 | (flow & 0xfffff));
		l4_wr_u16(w, (uint16_t)payload);
		l4_wr_u8(w, proto);
		l4_wr_u8(w, ttl);
		l4_wr_bytes(w, src->b, 16);
		l4_wr_bytes(w, dst->b, 16);
		return h;
	}
	l4_wr_u8(w, 0x45);
	l4_wr_u8(w, tos);
	l4_wr_u16(w, (uint16_t)(20 + payload));
	l4_wr_u32(w, 0); /* id, no fragment */
	l4_wr_u8(w, ttl);
	l4_wr_u8(w, proto);
	l4_wr_u16(w, 0);
	l4_wr_bytes(w, src->b + 12, 4);
	l4_wr_bytes(w, dst->b + 12, 4);
	if (l4_wr_ok(w)) {
		uint16_t sum = l4_csum_fold(l4_csum_partial(h, 20, 0));
		memcpy(h + 10, &sum, 2);
	}
	return h;
}

static void checksum(uint8_t *field, const struct l4_endpoint *src, const struct l4_endpoint *dst,
    uint8_t proto, const uint8_t *data, size_t len)
{
	uint32_t sum =
	    proto == 1 ? 0 : l4_csum_pseudo(&src->addr, &dst->addr, proto, (uint32_t)len);
	uint16_t folded = l4_csum_fold(l4_csum_partial(data, len, sum));
	if (!folded && proto == 17)
		folded = 0xffff;
	memcpy(field, &folded, 2);
}

/* Live value of an echoed timestamp. */
static bool echo_value(const struct l4_flow *f, uint32_t script, bool scaled, uint32_t *live)
{
	for (unsigned i = f->ts_n; i-- > 0;) {
		if (f->ts[i].script == script) {
			*live = f->ts[i].live;
			return true;
		}
	}
	*live = script - f->ts_first_script + f->ts_first_live;
	return scaled && f->ts_found;
}

/* Copies the options of a script's packet with live numbers. */
static bool live_options(const struct l4_dp *d, const struct l4_flow *f, bool scaled, uint8_t *out,
    char *why, size_t cap)
{
	uint32_t offset = d->flags & L4_DP_SYN ? f->local_isn - f->script_local_isn : f->local_isn;
	memcpy(out, d->opts, d->opts_len);
	for (size_t i = 0; i < d->opts_len;) {
		size_t len = out[i] < 2 ? 1 : i + 1 < d->opts_len ? out[i + 1] : 0;
		if (!len || len > d->opts_len - i)
			return true; /* malformed on purpose: as written */
		if (out[i] == 5)
			for (size_t b = 2; b + 4 <= len; b += 4)
				l4_put_u32(out + i + b, l4_get_u32(out + i + b) + offset);
		if (out[i] == 8 && len == 10 && d->flags & L4_DP_ACK) {
			uint32_t ecr = l4_get_u32(out + i + 6), live;
			if (!echo_value(f, ecr, scaled, &live)) {
				snprintf(why, cap,
				    "no outbound packet has carried TSval %u that this echoes",
				    ecr);
				return false;
			}
			l4_put_u32(out + i + 6, live);
		}
		if (out[i] == 0)
			return true;
		i += len;
	}
	return true;
}

static size_t build_tcp(const struct l4_dp *d, const struct l4_flow *f, bool v6, bool scaled,
    struct l4_wr *w, char *why, size_t why_cap)
{
	struct l4_endpoint src = f->remote, dst = f->local;
	bool syn = d->flags & L4_DP_SYN;
	uint8_t opts[40];
	if (!live_options(d, f, scaled, opts, why, why_cap))
		return 0;
	if (d->sport || d->dport) {
		src.port = d->sport;
		dst.port = d->dport;
	}
	size_t hdr = 20u + d->opts_len;
	uint8_t tos = d->ecn == L4_DP_ECN_ANY ? 0 : d->tos;
	ip_header(w, v6, &src.addr, &dst.addr, 6, tos, d->flow, d->has_ttl ? d->ttl : TTL_IN,
	    hdr + d->len);
	uint8_t *start = w->p;
	l4_wr_u16(w, src.port);
	l4_wr_u16(w, dst.port);
	l4_wr_u32(w, syn ? d->seq : d->seq + f->remote_isn);
	uint32_t ack = syn ? f->local_isn - f->script_local_isn : f->local_isn;
	l4_wr_u32(w, d->flags & L4_DP_ACK ? d->ack + ack : d->ack);
	l4_wr_u16(w, (uint16_t)(hdr / 4 << 12 | d->flags));
	l4_wr_u16(w, d->win);
	uint8_t *sum = l4_wr_take(w, 2);
	l4_wr_u16(w, d->urg);
	l4_wr_bytes(w, opts, d->opts_len);
	l4_wr_zero(w, d->len);
	if (!l4_wr_ok(w) || !sum)
		return 0;
	memset(sum, 0, 2);
	checksum(sum, &src, &dst, 6, start, hdr + d->len);
	return l4_wr_len(w);
}

static size_t build_udp(const struct l4_dp *d, const struct l4_flow *f, bool v6, struct l4_wr *w)
{
	struct l4_endpoint src = f->remote, dst = f->local;
	if (d->sport || d->dport) {
		src.port = d->sport;
		dst.port = d->dport;
	}
	uint8_t tos = d->ecn == L4_DP_ECN_ANY ? 0 : d->tos;
	ip_header(w, v6, &src.addr, &dst.addr, 17, tos, d->flow, d->has_ttl ? d->ttl : TTL_IN,
	    8 + d->len);
	uint8_t *start = w->p;
	l4_wr_u16(w, src.port);
	l4_wr_u16(w, dst.port);
	l4_wr_u16(w, (uint16_t)(8 + d->len));
	uint8_t *sum = l4_wr_take(w, 2);
	l4_wr_zero(w, d->len);
	if (!l4_wr_ok(w) || !sum)
		return 0;
	memset(sum, 0, 2);
	checksum(sum, &src, &dst, 17, start, 8 + d->len);
	return l4_wr_len(w);
}

/* The quoted packet: what the stack sent, so source and destination are turned round. */
static void quote(const struct l4_dp *d, const struct l4_flow *f, bool v6, struct l4_wr *w)
{
	bool udp = d->echo == L4_DP_ECHO_UDP, raw = d->echo == L4_DP_ECHO_RAW;
	uint8_t proto = raw ? 255 : udp ? 17 : 6;
	uint32_t seq = d->echo == L4_DP_ECHO_TCP ? d->echo_seq + f->local_isn : f->last_seq;
	size_t upper = raw ? d->echo_len : udp ? 8 + (size_t)d->echo_len : 20 + (size_t)d->echo_len;
	ip_header(w, v6, &f->local.addr, &f->remote.addr, proto, 0, 0, 64, upper);
	if (raw) {
		l4_wr_zero(w, 8);
		return;
	}
	l4_wr_u16(w, f->local.port);
	l4_wr_u16(w, f->remote.port);
	if (udp) {
		l4_wr_u16(w, (uint16_t)upper);
		l4_wr_u16(w, 0);
	} else {
		l4_wr_u32(w, seq);
	}
}

static size_t build_icmp(const struct l4_dp *d, const struct l4_flow *f, bool v6, struct l4_wr *w,
    char *why, size_t why_cap)
{
	if (!d->icmp_valid[v6]) {
		snprintf(
		    why, why_cap, "this type or code of ICMP does not exist in IPv%d", v6 ? 6 : 4);
		return 0;
	}
	uint8_t type = d->icmp_type[v6];
	bool info =
	    v6 ? type >= 128 : type != 3 && type != 4 && type != 5 && type != 11 && type != 12;
	uint8_t proto = v6 ? 58 : 1;
	size_t body = info ? 8 : 8 + (v6 ? 40 : 20) + 8;
	uint8_t tos = d->ecn == L4_DP_ECN_ANY ? 0 : d->tos;
	ip_header(w, v6, &f->remote.addr, &f->local.addr, proto, tos, d->flow,
	    d->has_ttl ? d->ttl : TTL_IN, body);
	uint8_t *start = w->p;
	l4_wr_u8(w, type);
	l4_wr_u8(w, d->icmp_code[v6]);
	uint8_t *sum = l4_wr_take(w, 2);
	if (info)
		l4_wr_u32(w, (uint32_t)d->icmp_id << 16);
	else if (v6)
		l4_wr_u32(w, d->mtu);
	else
		l4_wr_u32(w, d->mtu & 0xffff);
	if (!info)
		quote(d, f, v6, w);
	if (!l4_wr_ok(w) || !sum)
		return 0;
	memset(sum, 0, 2);
	checksum(sum, &f->remote, &f->local, proto, start, body);
	return l4_wr_len(w);
}

size_t l4_drill_packet_build(const struct l4_dp *d, struct l4_flow *f, bool v6, bool ts_scaled,
    uint8_t *buf, size_t cap, char *why, size_t why_cap)
{
	struct l4_wr w = l4_wr_init(buf, cap);
	snprintf(why, why_cap, "the packet is too large");
	if (d->proto == L4_DP_UDP)
		return build_udp(d, f, v6, &w);
	if (d->proto == L4_DP_ICMP)
		return build_icmp(d, f, v6, &w, why, why_cap);
	return build_tcp(d, f, v6, ts_scaled, &w, why, why_cap);
}
