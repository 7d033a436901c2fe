/* Neighbour Discovery messages (RFC 4861), with RDNSS (RFC 8106) and the nonce of RFC 7527.
 *
 * The fixed part first, then options in one loop: a length of zero or beyond the message condemns
 * the message (RFC 4861 4.6, 6.1, 7.1, 8.1), an option of known type but impossible length is
 * passed over by its own length (RFC 8106 5.3.1), unknown ones are passed over. */
#include <layer4/wire.h>

#include <string.h>

#include "base/cursor.h"

enum opt {
	OPT_SLLA = 1,
	OPT_TLLA = 2,
	OPT_PREFIX = 3,
	OPT_REDIRECTED = 4,
	OPT_MTU = 5,
	OPT_NONCE = 14,
	OPT_RDNSS = 25,
};

static struct l4_addr rd_addr(struct l4_rd *r)
{
	struct l4_addr a;
	l4_rd_bytes(r, a.b, 16);
	return a;
}

static void parse_prefix(struct l4_ndp_msg *m, struct l4_rd o)
{
	struct l4_ndp_prefix p;
	uint8_t flags;
	p.prefix.len = l4_rd_u8(&o);
	flags = l4_rd_u8(&o);
	p.on_link = flags & 0x80;
	p.autonomous = flags & 0x40;
	p.valid_s = l4_rd_u32(&o);
	p.preferred_s = l4_rd_u32(&o);
	l4_rd_skip(&o, 4);
	p.prefix.addr = rd_addr(&o);
	if (l4_rd_ok(&o) && p.prefix.len <= 128 && m->prefix_n < L4_NDP_PREFIX_MAX)
		m->prefix[m->prefix_n++] = p;
}

/* RFC 8106 5.1: length 3 for one address, 2 more for each; an even one is no RDNSS option. */
static void parse_rdnss(struct l4_ndp_msg *m, unsigned units, struct l4_rd o)
{
	if (units < 3 || units % 2 == 0)
		return;
	l4_rd_skip(&o, 2);
	uint32_t life = l4_rd_u32(&o);
	if (m->dns_n == 0)
		m->dns_life_s = life;
	for (unsigned i = 0; i < (units - 1) / 2 && m->dns_n < L4_NDP_DNS_MAX; i++)
		m->dns[m->dns_n++] = rd_addr(&o);
}

/* o: the option behind type and length. */
static void parse_option(struct l4_ndp_msg *m, unsigned type, unsigned units, struct l4_rd o)
{
	switch (type) {
	case OPT_SLLA:
	case OPT_TLLA:
		if (units != 1) /* RFC 2464 6 */
			return;
		m->present |= type == OPT_SLLA ? L4_NDPO_SLLA : L4_NDPO_TLLA;
		l4_rd_bytes(&o, type == OPT_SLLA ? m->slla.b : m->tlla.b, 6);
		return;
	case OPT_PREFIX:
		if (units == 4)
			parse_prefix(m, o);
		return;
	case OPT_REDIRECTED:
		l4_rd_skip(&o, 6);
		m->present |= L4_NDPO_REDIRHDR;
		m->redirected_len = l4_rd_left(&o);
		m->redirected = l4_rd_take(&o, m->redirected_len);
		return;
	case OPT_MTU:
		if (units != 1)
			return;
		l4_rd_skip(&o, 2);
		m->mtu = l4_rd_u32(&o);
		m->present |= L4_NDPO_MTU;
		return;
	case OPT_NONCE:
		if (units != 1)
			return;
		l4_rd_bytes(&o, m->nonce, 6);
		m->present |= L4_NDPO_NONCE;
		return;
	case OPT_RDNSS:
		parse_rdnss(m, units, o);
		return;
	default:
		return;
	}
}

static void parse_ra(struct l4_ndp_msg *m, struct l4_rd *r)
{
	m->hop_limit = l4_rd_u8(r);
	uint8_t flags = l4_rd_u8(r);
	m->managed = flags & 0x80;
	m->other = flags & 0x40;
	m->pref = flags >> 3 & 3;
	m->router_life_s = l4_rd_u16(r);
	m->reachable_ms = l4_rd_u32(r);
	m->retrans_ms = l4_rd_u32(r);
}

static void parse_na_flags(struct l4_ndp_msg *m, struct l4_rd *r)
{
	uint8_t flags = l4_rd_u8(r);
	m->router = flags & 0x80;
	m->solicited = flags & 0x40;
	m->override_ = flags & 0x20;
	l4_rd_skip(r, 3);
}

int l4_ndp_parse(struct l4_ndp_msg *out, const void *data, size_t len)
{
	struct l4_ndp_msg *m = out;
	struct l4_rd r = l4_rd_init(data, len);
	memset(m, 0, sizeof *m);
	m->type = l4_rd_u8(&r);
	uint8_t code = l4_rd_u8(&r);
	l4_rd_skip(&r, 2);
	switch (m->type) {
	case L4_ICMP6_RS:
		l4_rd_skip(&r, 4);
		break;
	case L4_ICMP6_RA:
		parse_ra(m, &r);
		break;
	case L4_ICMP6_NS:
		l4_rd_skip(&r, 4);
		m->target = rd_addr(&r);
		break;
	case L4_ICMP6_NA:
		parse_na_flags(m, &r);
		m->target = rd_addr(&r);
		break;
	case L4_ICMP6_REDIRECT:
		l4_rd_skip(&r, 4);
		m->target = rd_addr(&r);
		m->dst = rd_addr(&r);
		break;
	default:
		return L4_EMALFORMED;
	}
	if (!l4_rd_ok(&r))
		return L4_ETRUNC;
	if (code != 0 || l4_addr_is_multicast(&m->target) || l4_addr_is_multicast(&m->dst))
		return L4_EMALFORMED; /* RFC 4861 7.1.1, 7.1.2, 8.1 */
	while (l4_rd_left(&r) > 0) {
		uint8_t type = l4_rd_u8(&r), units = l4_rd_u8(&r);
		if (!l4_rd_ok(&r) || units == 0)
			return L4_EMALFORMED;
		struct l4_rd o = l4_rd_sub(&r, units * (size_t)8 - 2);
		if (!l4_rd_ok(&o))
			return L4_EMALFORMED;
		parse_option(m, type, units, o);
	}
	return (int)len;
}

static void emit_head(struct l4_wr *w, uint8_t type, size_t units)
{
	l4_wr_u8(w, type);
	l4_wr_u8(w, (uint8_t)units);
}

static void emit_prefix(struct l4_wr *w, const struct l4_ndp_prefix *p)
{
	emit_head(w, OPT_PREFIX, 4);
	l4_wr_u8(w, p->prefix.len);
	l4_wr_u8(w, (uint8_t)((p->on_link ? 0x80 : 0) | (p->autonomous ? 0x40 : 0)));
	l4_wr_u32(w, p->valid_s);
	l4_wr_u32(w, p->preferred_s);
	l4_wr_zero(w, 4);
	l4_wr_bytes(w, p->prefix.addr.b, 16);
}

static void emit_options(struct l4_wr *w, const struct l4_ndp_msg *m)
{
	if (m->present & L4_NDPO_SLLA) {
		emit_head(w, OPT_SLLA, 1);
		l4_wr_bytes(w, m->slla.b, 6);
	}
	if (m->present & L4_NDPO_TLLA) {
		emit_head(w, OPT_TLLA, 1);
		l4_wr_bytes(w, m->tlla.b, 6);
	}
	if (m->present & L4_NDPO_MTU) {
		emit_head(w, OPT_MTU, 1);
		l4_wr_zero(w, 2);
		l4_wr_u32(w, m->mtu);
	}
	for (unsigned i = 0; i < m->prefix_n; i++)
		emit_prefix(w, &m->prefix[i]);
	if (m->dns_n) {
		emit_head(w, OPT_RDNSS, 1 + 2u * m->dns_n);
		l4_wr_zero(w, 2);
		l4_wr_u32(w, m->dns_life_s);
		for (unsigned i = 0; i < m->dns_n; i++)
			l4_wr_bytes(w, m->dns[i].b, 16);
	}
	if (m->present & L4_NDPO_NONCE) {
		emit_head(w, OPT_NONCE, 1);
		l4_wr_bytes(w, m->nonce, 6);
	}
	if (m->present & L4_NDPO_REDIRHDR) {
		size_t whole = m->redirected_len / 8 * 8; /* options come in units of eight */
		emit_head(w, OPT_REDIRECTED, 1 + whole / 8);
		l4_wr_zero(w, 6);
		l4_wr_bytes(w, m->redirected, whole);
	}
}

int l4_ndp_emit(const struct l4_ndp_msg *in, void *buf, size_t cap)
{
	const struct l4_ndp_msg *m = in;
	struct l4_wr w = l4_wr_init(buf, cap);
	if (m->prefix_n > L4_NDP_PREFIX_MAX || m->dns_n > L4_NDP_DNS_MAX ||
	    ((m->present & L4_NDPO_REDIRHDR) && m->redirected_len / 8 > 254))
		return L4_EINVAL;
	l4_wr_u8(&w, m->type);
	l4_wr_zero(&w, 3); /* code, checksum */
	switch (m->type) {
	case L4_ICMP6_RA:
		l4_wr_u8(&w, m->hop_limit);
		l4_wr_u8(&w, (uint8_t)((m->managed ? 0x80 : 0) | (m->other ? 0x40 : 0) |
				       (m->pref & 3) << 3));
		l4_wr_u16(&w, m->router_life_s);
		l4_wr_u32(&w, m->reachable_ms);
		l4_wr_u32(&w, m->retrans_ms);
		break;
	case L4_ICMP6_NA:
		l4_wr_u8(&w, (uint8_t)((m->router ? 0x80 : 0) | (m->solicited ? 0x40 : 0) |
				       (m->override_ ? 0x20 : 0)));
		l4_wr_zero(&w, 3);
		l4_wr_bytes(&w, m->target.b, 16);
		break;
	case L4_ICMP6_RS:
	case L4_ICMP6_NS:
	case L4_ICMP6_REDIRECT:
		l4_wr_zero(&w, 4);
		if (m->type != L4_ICMP6_RS)
			l4_wr_bytes(&w, m->target.b, 16);
		if (m->type == L4_ICMP6_REDIRECT)
			l4_wr_bytes(&w, m->dst.b, 16);
		break;
	default:
		return L4_EINVAL;
	}
	emit_options(&w, m);
	return l4_wr_ok(&w) ? (int)l4_wr_len(&w) : L4_ETRUNC;
}
