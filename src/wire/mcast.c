/* Group membership: IGMPv1-3 (RFC 9776) and MLDv1-2 (RFC 9777).
 *
 * The two say the same things with addresses of different length, so one parser serves both. A
 * report is checked to its last record when it is parsed; what iterates later cannot go wrong. */
#include <layer4/wire.h>

#include <string.h>

#include "base/cursor.h"

static struct l4_addr rd_group(struct l4_rd *r, bool v6)
{
	uint8_t b[16];
	l4_rd_bytes(r, b, v6 ? 16 : 4);
	return v6 ? l4_addr_from_ip6(b) : l4_addr_from_ip4(b);
}

static bool group_ok(const struct l4_addr *g, bool v6)
{
	return l4_addr_is_multicast(g) && l4_addr_is_ip4(g) == !v6;
}

/* The floating-point codes of RFC 9776 4.1.1 and RFC 9777 5.1.3: above half the range, mantissa
 * of `bits` under an implied one, shifted by the three-bit exponent plus 3. */
static uint32_t decode(uint32_t code, unsigned bits)
{
	uint32_t half = 1u << (bits + 3);
	if (code < half)
		return code;
	uint32_t mantissa = (code & ((1u << bits) - 1)) | 1u << bits;
	return mantissa << ((code >> bits & 7) + 3);
}

static uint32_t encode(uint32_t value, unsigned bits)
{
	uint32_t half = 1u << (bits + 3);
	if (value < half)
		return value;
	for (unsigned e = 0; e < 8; e++) {
		uint32_t mantissa = value >> (e + 3);
		if (mantissa < 2u << bits)
			return half | e << bits | (mantissa & ((1u << bits) - 1));
	}
	return 2 * half - 1;
}

/* What IGMPv3 and MLDv2 queries have beyond the older ones. */
static int parse_query_tail(struct l4_mcast_msg *m, bool v6, struct l4_rd *r)
{
	uint8_t flags = l4_rd_u8(r);
	m->suppress = flags & 8;
	m->qrv = flags & 7;
	m->qqi_s = decode(l4_rd_u8(r), 4);
	m->src_n = l4_rd_u16(r);
	m->src = l4_rd_take(r, m->src_n * (size_t)(v6 ? 16 : 4));
	return m->src ? L4_OK : L4_EMALFORMED;
}

static int parse_report(struct l4_mcast_msg *m, bool v6, const void *data, size_t len)
{
	const uint8_t *p = data;
	m->rec_n = l4_get_u16(p + 6);
	m->rec_off = 8;
	size_t off = m->rec_off;
	for (unsigned i = 0; i < m->rec_n; i++) {
		struct l4_mcast_record rec;
		int n = l4_mcast_record_parse(&rec, v6, data, len, off);
		if (n < 0)
			return n;
		off += (size_t)n;
	}
	return L4_OK;
}

static int parse_igmp(struct l4_mcast_msg *m, struct l4_rd *r, const void *data, size_t len)
{
	uint8_t code = l4_rd_u8(r);
	l4_rd_skip(r, 2);
	m->group = rd_group(r, false);
	switch (m->type) {
	case L4_IGMP_QUERY:
		if (!l4_addr_is_any(&m->group) && !group_ok(&m->group, false))
			return L4_EMALFORMED;
		if (len == 8) { /* RFC 9776 7.1: eight octets are version 1 or 2 */
			m->version = code ? 2 : 1;
			m->max_resp_ms = code ? code * 100u : 10000;
			return L4_OK;
		}
		if (len < 12)
			return L4_EMALFORMED;
		m->version = 3;
		m->max_resp_ms = decode(code, 4) * 100;
		return parse_query_tail(m, false, r);
	case L4_IGMP_REPORT1:
	case L4_IGMP_REPORT2:
	case L4_IGMP_LEAVE:
		m->version = m->type == L4_IGMP_REPORT1 ? 1 : 2;
		return group_ok(&m->group, false) ? L4_OK : L4_EMALFORMED;
	case L4_IGMP_REPORT3:
		m->version = 3;
		m->group = l4_addr_from_ip4((const uint8_t[4]){ 0 });
		return parse_report(m, false, data, len);
	default:
		return L4_EMALFORMED;
	}
}

static int parse_mld(struct l4_mcast_msg *m, struct l4_rd *r, const void *data, size_t len)
{
	if (m->type == L4_ICMP6_MLD2_REPORT) {
		m->version = 2;
		return parse_report(m, true, data, len);
	}
	l4_rd_skip(r, 3);
	uint16_t code = l4_rd_u16(r);
	l4_rd_skip(r, 2);
	m->group = rd_group(r, true);
	if (!l4_rd_ok(r))
		return L4_ETRUNC;
	switch (m->type) {
	case L4_ICMP6_MLD_QUERY:
		if (!l4_addr_is_any(&m->group) && !group_ok(&m->group, true))
			return L4_EMALFORMED;
		if (len == 24) { /* RFC 9777 8.1 */
			m->version = 1;
			m->max_resp_ms = code;
			return L4_OK;
		}
		if (len < 28)
			return L4_EMALFORMED;
		m->version = 2;
		m->max_resp_ms = decode(code, 12);
		return parse_query_tail(m, true, r);
	case L4_ICMP6_MLD1_REPORT:
	case L4_ICMP6_MLD1_DONE:
		m->version = 1;
		return group_ok(&m->group, true) ? L4_OK : L4_EMALFORMED;
	default:
		return L4_EMALFORMED;
	}
}

int l4_mcast_parse(struct l4_mcast_msg *out, bool v6, const void *data, size_t len)
{
	struct l4_rd r = l4_rd_init(data, len);
	memset(out, 0, sizeof *out);
	if (len < 8)
		return L4_ETRUNC;
	out->type = l4_rd_u8(&r);
	int rc = v6 ? parse_mld(out, &r, data, len) : parse_igmp(out, &r, data, len);
	return rc < 0 ? rc : (int)len;
}

int l4_mcast_record_parse(
    struct l4_mcast_record *out, bool v6, const void *data, size_t len, size_t off)
{
	if (off > len)
		return L4_ETRUNC;
	struct l4_rd r = l4_rd_init((const uint8_t *)data + off, len - off);
	out->type = l4_rd_u8(&r);
	size_t aux = l4_rd_u8(&r) * (size_t)4;
	out->src_n = l4_rd_u16(&r);
	out->group = rd_group(&r, v6);
	out->src = l4_rd_take(&r, out->src_n * (size_t)(v6 ? 16 : 4));
	out->src_addr = NULL;
	l4_rd_skip(&r, aux);
	if (!l4_rd_ok(&r))
		return L4_ETRUNC;
	return (int)(len - off - l4_rd_left(&r));
}

struct l4_addr l4_mcast_source(const uint8_t *src, bool v6, unsigned i)
{
	return v6 ? l4_addr_from_ip6(src + 16 * (size_t)i) : l4_addr_from_ip4(src + 4 * (size_t)i);
}

static void wr_addr(struct l4_wr *w, const struct l4_addr *a, bool v6)
{
	l4_wr_bytes(w, v6 ? a->b : a->b + 12, v6 ? 16 : 4);
}

static int finish(struct l4_wr *w, bool v6)
{
	if (!l4_wr_ok(w))
		return L4_ETRUNC;
	size_t len = l4_wr_len(w);
	if (!v6) {
		uint16_t csum = l4_icmp_csum(w->start, len);
		memcpy(w->start + 2, &csum, 2);
	}
	return (int)len;
}

int l4_mcast_report_emit(
    const struct l4_mcast_record *rec, size_t n, bool v6, void *buf, size_t cap)
{
	struct l4_wr w = l4_wr_init(buf, cap);
	if (n > 65535)
		return L4_EINVAL;
	l4_wr_u8(&w, v6 ? L4_ICMP6_MLD2_REPORT : L4_IGMP_REPORT3);
	l4_wr_zero(&w, 5);
	l4_wr_u16(&w, (uint16_t)n);
	for (size_t i = 0; i < n; i++) {
		l4_wr_u8(&w, rec[i].type);
		l4_wr_u8(&w, 0);
		l4_wr_u16(&w, rec[i].src_n);
		wr_addr(&w, &rec[i].group, v6);
		for (unsigned k = 0; k < rec[i].src_n; k++) {
			struct l4_addr a = rec[i].src_addr ? rec[i].src_addr[k]
							   : l4_mcast_source(rec[i].src, v6, k);
			wr_addr(&w, &a, v6);
		}
	}
	return finish(&w, v6);
}

int l4_mcast_query_emit(const struct l4_mcast_msg *in, bool v6, void *buf, size_t cap)
{
	struct l4_wr w = l4_wr_init(buf, cap);
	if (v6) {
		l4_wr_u8(&w, L4_ICMP6_MLD_QUERY);
		l4_wr_zero(&w, 3);
		l4_wr_u16(&w, (uint16_t)encode(in->max_resp_ms, 12));
		l4_wr_zero(&w, 2);
	} else {
		l4_wr_u8(&w, L4_IGMP_QUERY);
		l4_wr_u8(&w, (uint8_t)encode(in->max_resp_ms / 100, 4));
		l4_wr_zero(&w, 2);
	}
	wr_addr(&w, &in->group, v6);
	l4_wr_u8(&w, (uint8_t)((in->suppress ? 8 : 0) | (in->qrv & 7)));
	l4_wr_u8(&w, (uint8_t)encode(in->qqi_s, 4));
	l4_wr_u16(&w, 0);
	return finish(&w, v6);
}
