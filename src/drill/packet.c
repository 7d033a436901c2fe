/* Packets of the wire: taking apart, translating to the script's numbers, joining, comparing.
 *
 * Translation: the number of the script's SYN stands for the live ISN; all numbers of segments
 * without SYN are offsets from the ISN of their sender. SACK blocks and acknowledgements belong to
 * the other side. Comparing happens in the script's numbers, field by field in the order of the
 * header, and stops at the first difference, which it names with both values. */
#include "drill/packet.h"

#include <layer4/checksum.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cursor.h"

#define PROTO_ICMP  1
#define PROTO_TCP   6
#define PROTO_UDP   17
#define PROTO_ICMP6 58

static bool bad(const char **why, const char *text)
{
	*why = text;
	return false;
}

static bool parse_tcp(struct l4_seen *p, struct l4_rd *r, const char **why)
{
	const uint8_t *start = r->p;
	size_t all = l4_rd_left(r);
	p->src.port = l4_rd_u16(r);
	p->dst.port = l4_rd_u16(r);
	p->seq = l4_rd_u32(r);
	p->ack = l4_rd_u32(r);
	uint16_t word = l4_rd_u16(r);
	p->win = l4_rd_u16(r);
	l4_rd_skip(r, 2);
	p->urg = l4_rd_u16(r);
	size_t hdr = (size_t)(word >> 12) * 4;
	if (!l4_rd_ok(r) || hdr < 20 || hdr > all)
		return bad(why, "TCP header cut short");
	p->flags = word & 0x1ff;
	p->reserved = (word >> 9) & 7;
	p->opts_len = hdr - 20;
	memcpy(p->opts, start + 20, p->opts_len);
	p->payload = start + hdr;
	p->len = all - hdr;
	for (size_t i = 0; i < p->len; i++)
		p->dirty = p->dirty || p->payload[i];
	return true;
}

static bool parse_upper(struct l4_seen *p, struct l4_rd *r, const char **why)
{
	size_t all = l4_rd_left(r);
	if (p->is_fragment)
		return true;
	if (p->proto == PROTO_TCP)
		return parse_tcp(p, r, why);
	if (p->proto == PROTO_UDP) {
		p->src.port = l4_rd_u16(r);
		p->dst.port = l4_rd_u16(r);
		size_t len = l4_rd_u16(r);
		l4_rd_skip(r, 2);
		if (!l4_rd_ok(r) || len != all)
			return bad(why, "UDP length is wrong");
		p->payload = r->p;
		p->len = all - 8;
		return true;
	}
	if (p->proto == PROTO_ICMP || p->proto == PROTO_ICMP6) {
		p->icmp_type = l4_rd_u8(r);
		p->icmp_code = l4_rd_u8(r);
		if (all < 8)
			return bad(why, "ICMP message cut short");
	}
	p->payload = r->p;
	p->len = l4_rd_left(r);
	return true;
}

static bool parse_ip4(struct l4_seen *p, struct l4_rd *r, size_t len, const char **why)
{
	const uint8_t *h = r->p;
	uint8_t first = l4_rd_u8(r);
	p->ip_len = (size_t)(first & 15) * 4;
	p->tos = l4_rd_u8(r);
	p->total = l4_rd_u16(r);
	l4_rd_skip(r, 2);
	uint16_t frag = l4_rd_u16(r);
	p->is_fragment = frag & 0x3fff;
	p->ttl = l4_rd_u8(r);
	p->proto = l4_rd_u8(r);
	l4_rd_skip(r, 2);
	uint8_t a[8];
	l4_rd_bytes(r, a, 8);
	p->src.addr = l4_addr_from_ip4(a);
	p->dst.addr = l4_addr_from_ip4(a + 4);
	if (!l4_rd_ok(r) || p->ip_len < 20 || p->ip_len > p->total || p->total != len)
		return bad(why, "IPv4 lengths are wrong");
	if (l4_csum_fold(l4_csum_partial(h, p->ip_len, 0)) != 0)
		return bad(why, "IPv4 header checksum is wrong");
	if (p->is_fragment)
		return bad(why, "IPv4 packet is a fragment");
	l4_rd_skip(r, p->ip_len - 20);
	return parse_upper(p, r, why);
}

static bool parse_ip6(struct l4_seen *p, struct l4_rd *r, size_t len, const char **why)
{
	uint32_t first = l4_rd_u32(r);
	p->tos = (uint8_t)(first >> 20);
	p->flow_label = first & 0xfffff;
	p->ip_len = 40;
	p->total = 40 + (size_t)l4_rd_u16(r);
	p->proto = l4_rd_u8(r);
	p->ttl = l4_rd_u8(r);
	uint8_t a[32];
	l4_rd_bytes(r, a, 32);
	p->src.addr = l4_addr_from_ip6(a);
	p->dst.addr = l4_addr_from_ip6(a + 16);
	if (!l4_rd_ok(r) || p->total != len)
		return bad(why, "IPv6 lengths are wrong");
	return parse_upper(p, r, why);
}

bool l4_seen_parse(struct l4_seen *p, const void *data, size_t len, const char **why)
{
	memset(p, 0, sizeof(*p));
	p->parts = 1;
	struct l4_rd r = l4_rd_init(data, len);
	if (!len)
		return bad(why, "empty packet");
	uint8_t version = *(const uint8_t *)data >> 4;
	p->v6 = version == 6;
	if (version == 4)
		return parse_ip4(p, &r, len, why);
	if (version == 6)
		return parse_ip6(p, &r, len, why);
	return bad(why, "neither IPv4 nor IPv6");
}

/* ---- Options, byte for byte ---- */

/* The option of this kind, or NULL; never reads past len. */
static uint8_t *find_option(uint8_t *opts, size_t len, uint8_t kind, size_t min)
{
	for (size_t i = 0; i < len;) {
		if (opts[i] == 0)
			return NULL;
		if (opts[i] == 1) {
			i++;
			continue;
		}
		if (i + 1 >= len || opts[i + 1] < 2 || opts[i + 1] > len - i)
			return NULL;
		if (opts[i] == kind)
			return opts[i + 1] >= min ? opts + i : NULL;
		i += opts[i + 1];
	}
	return NULL;
}

static void shift_sack(uint8_t *opts, size_t len, uint32_t offset)
{
	uint8_t *o = find_option(opts, len, 5, 10);
	for (size_t i = 2; o && i + 4 <= o[1]; i += 4)
		l4_put_u32(o + i, l4_get_u32(o + i) + offset);
}

void l4_seen_to_script(struct l4_seen *p, const struct l4_flow *f)
{
	if (p->proto != PROTO_TCP)
		return;
	bool syn = p->flags & L4_DP_SYN;
	p->seq -= syn ? f->local_isn - f->script_local_isn : f->local_isn;
	if (p->flags & L4_DP_ACK)
		p->ack -= syn ? 0 : f->remote_isn;
	shift_sack(p->opts, p->opts_len, 0 - (syn ? 0 : f->remote_isn));
}

void l4_flow_learn_ts(struct l4_flow *f, const struct l4_dp *d, struct l4_seen *p)
{
	uint8_t want[40];
	memcpy(want, d->opts, sizeof(want));
	const uint8_t *w = d->any_options ? NULL : find_option(want, d->opts_len, 8, 10);
	uint8_t *s = find_option(p->opts, p->opts_len, 8, 10);
	if (!w || !s)
		return;
	uint32_t script = l4_get_u32(w + 2), live = l4_get_u32(s + 2);
	unsigned i = 0;
	while (i < f->ts_n && f->ts[i].script != script)
		i++;
	if (i == f->ts_n && i < L4_DP_TS_MAX)
		f->ts_n++;
	if (i == L4_DP_TS_MAX) { /* forget the oldest */
		memmove(&f->ts[0], &f->ts[1], (L4_DP_TS_MAX - 1) * sizeof(f->ts[0]));
		i = L4_DP_TS_MAX - 1;
	}
	f->ts[i].script = script;
	f->ts[i].live = live;
	if (!f->ts_found) {
		f->ts_found = true;
		f->ts_first_script = script;
		f->ts_first_live = live;
	}
	l4_put_u32(s + 2, f->ts_first_script + (live - f->ts_first_live));
}

/* ---- Joining ---- */

bool l4_seen_joins(
    const struct l4_seen *a, const struct l4_seen *b, size_t expected_left, char *why, size_t cap)
{
	const unsigned same = L4_DP_SYN | L4_DP_RST | L4_DP_ACK | L4_DP_URG | L4_DP_ECE | L4_DP_AE;
	const char *what = NULL;
	if (b->proto != a->proto || b->proto != PROTO_TCP)
		what = "another protocol";
	else if (b->seq != a->seq + (uint32_t)a->len)
		what = "a gap in the sequence numbers";
	else if (b->opts_len != a->opts_len)
		what = "another header length";
	else if (b->ack != a->ack)
		what = "another acknowledgement number";
	else if (b->win != a->win)
		what = "another window";
	else if (b->urg != a->urg)
		what = "another urgent pointer";
	else if ((b->flags & same) != (a->flags & same))
		what = "other flags";
	else if (b->len < expected_left && b->len != a->len / a->parts)
		what = "another length, though it is not the last";
	if (what)
		snprintf(why, cap, "the next segment has %s", what);
	return !what;
}

/* Sequence number and CWR from the first; PSH, FIN, options, time from the last. */
void l4_seen_join(struct l4_seen *a, const struct l4_seen *b)
{
	const unsigned last = L4_DP_PSH | L4_DP_FIN;
	a->flags = (a->flags & ~last) | (b->flags & last);
	memcpy(a->opts, b->opts, sizeof(a->opts));
	a->len += b->len;
	a->total += b->len;
	a->time = b->time;
	a->parts++;
	a->dirty = a->dirty || b->dirty;
}

/* ---- Comparing ---- */

static bool differ(char *why, size_t cap, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool differ(char *why, size_t cap, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	vsnprintf(why, cap, format, ap);
	va_end(ap);
	return false;
}

static bool match_ip(const struct l4_dp *d, const struct l4_seen *p, char *why, size_t cap)
{
	if (!p->v6 && p->ip_len != 20)
		return differ(why, cap, "the IPv4 header has %zu bytes, expected 20", p->ip_len);
	if (d->ecn == L4_DP_ECN_VALUE && (p->tos & 3) != d->tos)
		return differ(why, cap, "the ECN field is %d, expected %d", p->tos & 3, d->tos);
	if (d->ecn == L4_DP_ECN_ECT01 && (p->tos & 3) != 1 && (p->tos & 3) != 2)
		return differ(
		    why, cap, "the ECN field is %d, expected ECT(0) or ECT(1)", p->tos & 3);
	if (d->ecn == L4_DP_ECN_TOS && p->tos != d->tos)
		return differ(why, cap, "the traffic class is 0x%x, expected 0x%x", p->tos, d->tos);
	if (d->has_ttl && p->ttl != d->ttl)
		return differ(why, cap, "the hop limit is %u, expected %u", p->ttl, d->ttl);
	if (d->has_flow && p->v6 && p->flow_label != d->flow)
		return differ(
		    why, cap, "the flow label is 0x%x, expected 0x%x", p->flow_label, d->flow);
	return true;
}

static void flags_text(unsigned flags, char text[12])
{
	static const char letters[] = "FSRP", ecn[] = "EWA";
	size_t n = 0;
	for (unsigned i = 0; i < 4; i++)
		if (flags & 1u << i)
			text[n++] = letters[i];
	if (flags & L4_DP_URG)
		text[n++] = 'U';
	for (unsigned i = 0; i < 3; i++)
		if (flags & L4_DP_ECE << i)
			text[n++] = ecn[i];
	if (flags & L4_DP_ACK)
		text[n++] = '.';
	if (!n)
		text[n++] = '-';
	text[n] = '\0';
}

static bool match_options(const struct l4_dp *d, const struct l4_seen *p,
    const struct l4_match_rules *rules, char *why, size_t cap)
{
	uint8_t want[40], have[40];
	memcpy(want, d->opts, sizeof(want));
	memcpy(have, p->opts, sizeof(have));
	uint8_t *w = find_option(want, d->opts_len, 8, 10);
	uint8_t *h = find_option(have, p->opts_len, 8, 10);
	if (w && h) {
		int32_t diff = (int32_t)(l4_get_u32(h + 2) - l4_get_u32(w + 2));
		int64_t us = (int64_t)(diff < 0 ? -(int64_t)diff : diff) * rules->ts_tick_us;
		if (rules->ts_tick_us && us > rules->ts_tolerance_us)
			return differ(why, cap, "TSval is %u, expected %u", l4_get_u32(h + 2),
			    l4_get_u32(w + 2));
		memset(w + 2, 0, 8); /* TSecr is never compared */
		memset(h + 2, 0, 8);
	}
	if (p->opts_len != d->opts_len)
		return differ(
		    why, cap, "the options have %zu bytes, expected %u", p->opts_len, d->opts_len);
	if (memcmp(want, have, d->opts_len) != 0)
		return differ(why, cap, "the options differ");
	return true;
}

static bool match_tcp(const struct l4_dp *d, const struct l4_seen *p,
    const struct l4_match_rules *rules, char *why, size_t cap)
{
	char a[12], b[12];
	if (p->flags != d->flags) {
		flags_text(p->flags, a);
		flags_text(d->flags, b);
		return differ(why, cap, "the flags are %s, expected %s", a, b);
	}
	if (p->reserved)
		return differ(why, cap, "reserved bits are not zero: %u", p->reserved);
	if (p->seq != d->seq)
		return differ(why, cap, "the sequence number is %u, expected %u", p->seq, d->seq);
	if (p->ack != d->ack)
		return differ(
		    why, cap, "the acknowledgement number is %u, expected %u", p->ack, d->ack);
	if (p->len != d->len)
		return differ(why, cap, "the payload has %zu bytes, expected %u", p->len, d->len);
	if (d->has_win && p->win != d->win)
		return differ(why, cap, "the window is %u, expected %u", p->win, d->win);
	if (p->urg != d->urg)
		return differ(why, cap, "the urgent pointer is %u, expected %u", p->urg, d->urg);
	if (!d->any_options && !match_options(d, p, rules, why, cap))
		return false;
	if (p->dirty)
		return differ(why, cap, "a byte of the payload is not zero");
	return true;
}

bool l4_drill_packet_match(const struct l4_dp *d, const struct l4_seen *p,
    const struct l4_match_rules *rules, char *why, size_t cap)
{
	uint8_t proto = d->proto == L4_DP_TCP   ? PROTO_TCP
			: d->proto == L4_DP_UDP ? PROTO_UDP
			: rules->v6             ? PROTO_ICMP6
						: PROTO_ICMP;
	if (p->v6 != rules->v6)
		return differ(why, cap, "it is IPv%d", p->v6 ? 6 : 4);
	if (p->proto != proto)
		return differ(why, cap, "the protocol is %u, expected %u", p->proto, proto);
	if (!match_ip(d, p, why, cap))
		return false;
	if (d->proto == L4_DP_TCP)
		return match_tcp(d, p, rules, why, cap);
	if (d->proto == L4_DP_UDP) {
		if (p->len != d->len)
			return differ(
			    why, cap, "the datagram has %zu bytes, expected %u", p->len, d->len);
		return true;
	}
	int v = rules->v6;
	if (p->icmp_type != d->icmp_type[v] || p->icmp_code != d->icmp_code[v])
		return differ(why, cap, "ICMP type %u code %u, expected type %u code %u",
		    p->icmp_type, p->icmp_code, d->icmp_type[v], d->icmp_code[v]);
	return true;
}

/* ---- Writing down ---- */

static size_t add(char *text, size_t n, size_t cap, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static size_t add(char *text, size_t n, size_t cap, const char *format, ...)
{
	if (n >= cap)
		return n;
	va_list ap;
	va_start(ap, format);
	int w = vsnprintf(text + n, cap - n, format, ap);
	va_end(ap);
	return w < 0 ? n : n + (size_t)w;
}

static size_t option_text(const uint8_t *o, size_t len, char *text, size_t n, size_t cap)
{
	if (o[0] == 2 && len == 4)
		return add(text, n, cap, "mss %u", l4_get_u16(o + 2));
	if (o[0] == 3 && len == 3)
		return add(text, n, cap, "wscale %u", o[2]);
	if (o[0] == 4 && len == 2)
		return add(text, n, cap, "sackOK");
	if (o[0] == 8 && len == 10)
		return add(text, n, cap, "TS val %u ecr %u", l4_get_u32(o + 2), l4_get_u32(o + 6));
	if (o[0] == 5) {
		n = add(text, n, cap, "sack");
		for (size_t i = 2; i + 8 <= len; i += 8)
			n = add(text, n, cap, " %u:%u", l4_get_u32(o + i), l4_get_u32(o + i + 4));
		return n;
	}
	bool exp = o[0] == 254 && len >= 4;
	n = add(text, n, cap, "%s", o[0] == 34 ? "FO " : exp ? "FOEXP " : o[0] == 19 ? "md5 " : "");
	if (o[0] != 34 && !exp && o[0] != 19)
		n = add(text, n, cap, "kind %u:", o[0]);
	for (size_t i = exp ? 4 : 2; i < len; i++)
		n = add(text, n, cap, "%02x", o[i]);
	return n;
}

static size_t options_text(const uint8_t *opts, size_t len, char *text, size_t n, size_t cap)
{
	if (!len)
		return n;
	n = add(text, n, cap, " <");
	for (size_t i = 0; i < len;) {
		if (i)
			n = add(text, n, cap, ",");
		if (opts[i] < 2) {
			n = add(text, n, cap, "%s", opts[i] ? "nop" : "eol");
			i++;
			continue;
		}
		size_t olen = i + 1 < len ? opts[i + 1] : 0;
		if (olen < 2 || olen > len - i) {
			n = add(text, n, cap, "malformed");
			break;
		}
		n = option_text(opts + i, olen, text, n, cap);
		i += olen;
	}
	return add(text, n, cap, ">");
}

static void tcp_text(unsigned flags, uint32_t seq, uint32_t len, bool has_ack, uint32_t ack,
    int win, uint16_t urg, const uint8_t *opts, size_t opts_len, bool any, char *text, size_t cap)
{
	char f[12];
	flags_text(flags, f);
	size_t n = add(text, 0, cap, "%s %u:%u(%u)", f, seq, seq + len, len);
	if (has_ack || ack)
		n = add(text, n, cap, " ack %u", ack);
	if (win >= 0)
		n = add(text, n, cap, " win %d", win);
	if (urg)
		n = add(text, n, cap, " urg %u", urg);
	if (any)
		add(text, n, cap, " <...>");
	else
		options_text(opts, opts_len, text, n, cap);
}

void l4_drill_packet_text(const struct l4_dp *d, char *text, size_t cap)
{
	if (d->proto == L4_DP_TCP)
		tcp_text(d->flags, d->seq, d->len, d->has_ack, d->ack, d->has_win ? d->win : -1,
		    d->urg, d->opts, d->opts_len, d->any_options, text, cap);
	else if (d->proto == L4_DP_UDP)
		snprintf(text, cap, "udp (%u)", d->len);
	else
		snprintf(text, cap, "icmp type_%u code_%u", d->icmp_type[!d->icmp_valid[0]],
		    d->icmp_code[!d->icmp_valid[0]]);
}

void l4_seen_text(const struct l4_seen *p, char *text, size_t cap)
{
	static const char *const ecn[] = { "", "[ect1] ", "[ect0] ", "[ce] " };
	size_t n = add(text, 0, cap, "%s", ecn[p->tos & 3]);
	if (n >= cap)
		return;
	if (p->proto == PROTO_TCP)
		tcp_text(p->flags, p->seq, (uint32_t)p->len, p->flags & L4_DP_ACK, p->ack, p->win,
		    p->urg, p->opts, p->opts_len, false, text + n, cap - n);
	else if (p->proto == PROTO_UDP)
		add(text, n, cap, "udp (%zu)", p->len);
	else if (p->proto == PROTO_ICMP || p->proto == PROTO_ICMP6)
		add(text, n, cap, "icmp type_%u code_%u", p->icmp_type, p->icmp_code);
	else
		add(text, n, cap, "protocol %u, %zu bytes", p->proto, p->len);
}
