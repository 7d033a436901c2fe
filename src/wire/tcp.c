/* TCP headers and options (RFC 9293 3.1, 3.2).
 *
 * The option area of nearly all segments is either empty or NOP NOP Timestamps, so these two are
 * recognised by one comparison; everything else goes through one loop that steps by lengths it
 * has checked against the header. A malformed area condemns the segment (it is dropped and
 * counted), never the connection. */
#include <layer4/wire.h>

#include <string.h>

#include "base/cursor.h"

enum kind {
	K_EOL = 0,
	K_NOP = 1,
	K_MSS = 2,
	K_WSCALE = 3,
	K_SACK_PERM = 4,
	K_SACK = 5,
	K_TS = 8,
	K_MD5 = 19,
	K_UTO = 28,
	K_AO = 29,
	K_FASTOPEN = 34,
	K_ACCECN0 = 172,
	K_ACCECN1 = 174,
	K_EXP2 = 254,
};

#define FASTOPEN_MAGIC 0xf989 /* RFC 7413 appendix A, RFC 6994 */
#define NOP_NOP_TS     0x0101080au
#define OPTS_MAX       40

static void set_fastopen(struct l4_tcp_opts *o, uint32_t bit, const uint8_t *cookie, size_t n)
{
	/* RFC 7413 4.1.1: empty is a request; a cookie has 4..16 bytes, an even number. */
	if (n != 0 && (n < 4 || n > 16 || n % 2 != 0)) {
		o->present |= L4_TCPO_UNKNOWN;
		return;
	}
	o->present |= bit;
	o->fo_len = (uint8_t)n;
	if (n)
		memcpy(o->fo_cookie, cookie, n);
}

static void set_sack(struct l4_tcp_opts *o, const uint8_t *p, size_t n)
{
	if (n == 0 || n % 8 != 0 || n > 32) { /* RFC 2018 3 */
		o->present |= L4_TCPO_UNKNOWN;
		return;
	}
	o->present |= L4_TCPO_SACK;
	o->sack_n = (uint8_t)(n / 8);
	for (size_t i = 0; i < o->sack_n; i++) {
		o->sack[i].start = l4_get_u32(p + 8 * i);
		o->sack[i].end = l4_get_u32(p + 8 * i + 4);
	}
}

static void set_accecn(struct l4_tcp_opts *o, uint32_t bit, const uint8_t *p, size_t n)
{
	/* RFC 9768 3.2.3: up to three whole counters; trailing bytes carry nothing. */
	size_t whole = n / 3 < 3 ? n / 3 : 3;
	o->present |= bit;
	o->accecn_n = (uint8_t)whole;
	for (size_t i = 0; i < whole; i++)
		o->accecn[i] =
		    (uint32_t)p[3 * i] << 16 | (uint32_t)p[3 * i + 1] << 8 | p[3 * i + 2];
}

/* The bit under which a kind is kept, when its value has the length that the kind demands. */
static uint32_t fixed_bit(uint8_t kind, size_t n)
{
	switch (kind) {
	case K_MSS:
		return n == 2 ? L4_TCPO_MSS : L4_TCPO_UNKNOWN;
	case K_WSCALE:
		return n == 1 ? L4_TCPO_WSCALE : L4_TCPO_UNKNOWN;
	case K_SACK_PERM:
		return n == 0 ? L4_TCPO_SACK_PERM : L4_TCPO_UNKNOWN;
	case K_TS:
		return n == 8 ? L4_TCPO_TS : L4_TCPO_UNKNOWN;
	case K_UTO:
		return n == 2 ? L4_TCPO_UTO : L4_TCPO_UNKNOWN;
	case K_SACK:
		return L4_TCPO_SACK;
	case K_FASTOPEN:
		return L4_TCPO_FASTOPEN;
	case K_ACCECN0:
		return L4_TCPO_ACCECN0;
	case K_ACCECN1:
		return L4_TCPO_ACCECN1;
	case K_MD5:
		return L4_TCPO_MD5;
	case K_AO:
		return L4_TCPO_AO;
	default:
		return L4_TCPO_UNKNOWN;
	}
}

/* One option of value p[0..n). Returns 0, or L4_EMALFORMED for a bad signature option. */
static int one_option(struct l4_tcp_opts *o, uint8_t kind, const uint8_t *p, size_t n)
{
	if (kind == K_EXP2 && n >= 2 && l4_get_u16(p) == FASTOPEN_MAGIC) {
		if (!(o->present & (L4_TCPO_FASTOPEN | L4_TCPO_FASTOPEN_EXP)))
			set_fastopen(o, L4_TCPO_FASTOPEN_EXP, p + 2, n - 2);
		return L4_OK;
	}
	/* RFC 2385 3.0, RFC 5925 2.2: any other length cannot be meant well. */
	if ((kind == K_MD5 && n != 16) || (kind == K_AO && n < 2))
		return L4_EMALFORMED;
	uint32_t bit = fixed_bit(kind, n);
	if (o->present & bit)
		return L4_OK; /* of two the first counts */
	switch (bit) {
	case L4_TCPO_MSS:
		o->mss = l4_get_u16(p);
		break;
	case L4_TCPO_WSCALE: /* RFC 7323 2.3: above 14, use 14 and log */
		o->wscale = p[0] > 14 ? 14 : p[0];
		o->present |= p[0] > 14 ? L4_TCPO_WSCALE_BIG : 0;
		break;
	case L4_TCPO_TS:
		o->ts_val = l4_get_u32(p);
		o->ts_ecr = l4_get_u32(p + 4);
		break;
	case L4_TCPO_UTO:
		o->uto = l4_get_u16(p);
		break;
	case L4_TCPO_SACK:
		set_sack(o, p, n);
		return L4_OK;
	case L4_TCPO_FASTOPEN:
		if (!(o->present & L4_TCPO_FASTOPEN_EXP))
			set_fastopen(o, bit, p, n);
		return L4_OK;
	case L4_TCPO_ACCECN0:
	case L4_TCPO_ACCECN1:
		if (!(o->present & (L4_TCPO_ACCECN0 | L4_TCPO_ACCECN1)))
			set_accecn(o, bit, p, n);
		return L4_OK;
	default:
		break;
	}
	o->present |= bit;
	return L4_OK;
}

int l4_tcp_opts_parse(struct l4_tcp_opts *out, const void *data, size_t len)
{
	const uint8_t *p = data;
	memset(out, 0, sizeof *out);
	if (len == 12 && l4_get_u32(p) == NOP_NOP_TS) {
		out->present = L4_TCPO_TS;
		out->ts_val = l4_get_u32(p + 4);
		out->ts_ecr = l4_get_u32(p + 8);
		return L4_OK;
	}
	size_t i = 0;
	while (i < len && p[i] != K_EOL) {
		if (p[i] == K_NOP) {
			i++;
			continue;
		}
		size_t left = len - i;
		if (left < 2 || p[i + 1] < 2 || p[i + 1] > left)
			return L4_EMALFORMED; /* RFC 9293 MUST-7 */
		int rc = one_option(out, p[i], p + i + 2, p[i + 1] - 2u);
		if (rc != L4_OK)
			return rc;
		i += p[i + 1];
	}
	return L4_OK;
}

int l4_tcp_parse(struct l4_tcp_hdr *out, const void *data, size_t len)
{
	const uint8_t *p = data;
	if (len < L4_TCP_HDR_LEN)
		return L4_ETRUNC;
	size_t hdr_len = (p[12] >> 4) * 4u;
	if (hdr_len < L4_TCP_HDR_LEN || hdr_len > len)
		return L4_EMALFORMED;
	out->sport = l4_get_u16(p);
	out->dport = l4_get_u16(p + 2);
	out->seq = l4_get_u32(p + 4);
	out->ack = l4_get_u32(p + 8);
	out->hdr_len = (uint8_t)hdr_len;
	out->reserved = (p[12] >> 1) & 7;
	out->flags = l4_get_u16(p + 12) & 0x1ff;
	out->wnd = l4_get_u16(p + 14);
	memcpy(&out->csum_be, p + 16, 2);
	out->urg = l4_get_u16(p + 18);
	int rc = l4_tcp_opts_parse(&out->opts, p + L4_TCP_HDR_LEN, hdr_len - L4_TCP_HDR_LEN);
	return rc < 0 ? rc : (int)hdr_len;
}

static void emit_head(struct l4_wr *w, uint8_t a, uint8_t b, uint8_t kind, size_t len)
{
	l4_wr_u8(w, a);
	l4_wr_u8(w, b);
	l4_wr_u8(w, kind);
	l4_wr_u8(w, (uint8_t)len);
}

static void emit_ts(struct l4_wr *w, const struct l4_tcp_opts *o)
{
	l4_wr_u32(w, o->ts_val);
	l4_wr_u32(w, o->ts_ecr);
}

/* As the BSDs lay them out: each where its length needs the fewest NOPs. */
static void emit_syn_bsd(struct l4_wr *w, const struct l4_tcp_opts *o)
{
	if (o->present & L4_TCPO_MSS)
		l4_wr_u32(w, (uint32_t)K_MSS << 24 | 4u << 16 | o->mss);
	if (o->present & L4_TCPO_WSCALE)
		emit_head(w, K_NOP, K_WSCALE, 3, o->wscale);
	if (o->present & L4_TCPO_SACK_PERM) {
		l4_wr_u8(w, K_SACK_PERM);
		l4_wr_u8(w, 2);
	}
	if (o->present & L4_TCPO_TS) {
		while (l4_wr_ok(w) && l4_wr_len(w) % 4 != 2)
			l4_wr_u8(w, K_NOP);
		l4_wr_u8(w, K_TS);
		l4_wr_u8(w, 10);
		emit_ts(w, o);
	}
}

/* Behind the timestamps, filled up to a word. */
static void emit_accecn(struct l4_wr *w, const struct l4_tcp_opts *o)
{
	if (!(o->present & (L4_TCPO_ACCECN0 | L4_TCPO_ACCECN1)))
		return;
	l4_wr_u8(w, o->present & L4_TCPO_ACCECN0 ? K_ACCECN0 : K_ACCECN1);
	l4_wr_u8(w, (uint8_t)(2 + 3 * o->accecn_n));
	for (unsigned i = 0; i < o->accecn_n; i++)
		l4_wr_u24(w, o->accecn[i]);
	while (l4_wr_ok(w) && l4_wr_len(w) % 4 != 0)
		l4_wr_u8(w, K_NOP);
}

/* MSS, SACK-permitted and TS sharing a word, window scale: as Linux lays them out. */
static void emit_syn(struct l4_wr *w, const struct l4_tcp_opts *o)
{
	bool sack_perm = o->present & L4_TCPO_SACK_PERM;
	if (o->present & L4_TCPO_BSD_LAYOUT) {
		emit_syn_bsd(w, o);
		return;
	}
	if (o->present & L4_TCPO_MSS) {
		l4_wr_u8(w, K_MSS);
		l4_wr_u8(w, 4);
		l4_wr_u16(w, o->mss);
	}
	if (o->present & L4_TCPO_TS) {
		if (sack_perm)
			emit_head(w, K_SACK_PERM, 2, K_TS, 10);
		else
			emit_head(w, K_NOP, K_NOP, K_TS, 10);
		emit_ts(w, o);
	}
	emit_accecn(w, o);
	if (sack_perm && !(o->present & L4_TCPO_TS))
		emit_head(w, K_NOP, K_NOP, K_SACK_PERM, 2);
	if (o->present & L4_TCPO_WSCALE) {
		emit_head(w, K_NOP, K_WSCALE, 3, o->wscale);
	}
}

static void emit_fastopen(struct l4_wr *w, const struct l4_tcp_opts *o)
{
	if (o->present & L4_TCPO_FASTOPEN) {
		l4_wr_u8(w, K_FASTOPEN);
		l4_wr_u8(w, (uint8_t)(2 + o->fo_len));
	} else if (o->present & L4_TCPO_FASTOPEN_EXP) {
		l4_wr_u8(w, K_EXP2);
		l4_wr_u8(w, (uint8_t)(4 + o->fo_len));
		l4_wr_u16(w, FASTOPEN_MAGIC);
	} else {
		return;
	}
	l4_wr_bytes(w, o->fo_cookie, o->fo_len);
}

static void emit_rest(struct l4_wr *w, const struct l4_tcp_opts *o)
{
	if (o->present & L4_TCPO_UTO) {
		l4_wr_u8(w, K_UTO);
		l4_wr_u8(w, 4);
		l4_wr_u16(w, o->uto);
	}
}

/* Writes the option area, padded with NOP, to at most 40 bytes; its length or L4_EINVAL. */
static int emit_opts(const struct l4_tcp_opts *o, bool syn, uint8_t *buf)
{
	struct l4_wr w = l4_wr_init(buf, OPTS_MAX);
	if (o->sack_n > 4 || o->fo_len > 16 || o->accecn_n > 3)
		return L4_EINVAL;
	bool bsd = syn && (o->present & L4_TCPO_BSD_LAYOUT);
	if (syn) {
		emit_syn(&w, o);
		emit_fastopen(&w, o);
	} else {
		if (o->present & L4_TCPO_TS) {
			emit_head(&w, K_NOP, K_NOP, K_TS, 10);
			emit_ts(&w, o);
		}
		emit_accecn(&w, o);
		if ((o->present & L4_TCPO_SACK) && o->sack_n) {
			emit_head(&w, K_NOP, K_NOP, K_SACK, 2 + 8u * o->sack_n);
			for (unsigned i = 0; i < o->sack_n; i++) {
				l4_wr_u32(&w, o->sack[i].start);
				l4_wr_u32(&w, o->sack[i].end);
			}
		}
	}
	emit_rest(&w, o);
	while (bsd && l4_wr_ok(&w) && l4_wr_len(&w) % 4 != 0)
		l4_wr_u8(&w, K_EOL);
	while (l4_wr_ok(&w) && l4_wr_len(&w) % 4 != 0)
		l4_wr_u8(&w, K_NOP);
	return l4_wr_ok(&w) ? (int)l4_wr_len(&w) : L4_EINVAL;
}

int l4_tcp_opts_len(const struct l4_tcp_opts *in, bool syn)
{
	uint8_t scratch[OPTS_MAX];
	if (in->present == 0)
		return 0;
	if (in->present == L4_TCPO_TS)
		return 12;
	return emit_opts(in, syn, scratch);
}

int l4_tcp_emit(const struct l4_tcp_hdr *in, void *buf, size_t cap)
{
	uint8_t *p = buf, opts[OPTS_MAX];
	bool syn = in->flags & L4_TCPF_SYN;
	int opts_len = 0;
	if (in->opts.present == L4_TCPO_TS) {
		l4_put_u32(opts, NOP_NOP_TS);
		l4_put_u32(opts + 4, in->opts.ts_val);
		l4_put_u32(opts + 8, in->opts.ts_ecr);
		opts_len = 12;
	} else if (in->opts.present) {
		opts_len = emit_opts(&in->opts, syn, opts);
	}
	if (opts_len < 0)
		return opts_len;
	size_t hdr_len = L4_TCP_HDR_LEN + (size_t)opts_len;
	if (cap < hdr_len)
		return L4_ETRUNC;
	l4_put_u16(p, in->sport);
	l4_put_u16(p + 2, in->dport);
	l4_put_u32(p + 4, in->seq);
	l4_put_u32(p + 8, in->ack);
	l4_put_u16(p + 12,
	    (uint16_t)(hdr_len / 4 << 12 | (in->reserved & 7u) << 9 | (in->flags & 0x1ffu)));
	l4_put_u16(p + 14, in->wnd);
	memset(p + 16, 0, 2);
	l4_put_u16(p + 18, in->urg);
	memcpy(p + L4_TCP_HDR_LEN, opts, (size_t)opts_len);
	return (int)hdr_len;
}
