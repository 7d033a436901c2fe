/* TCP options: RFC 9293 3.1 and 3.2, RFC 7323, RFC 2018, RFC 2883, RFC 5925, RFC 2385, RFC 5482,
 * RFC 7413, RFC 8684, RFC 6994 (experimental), and historical ones (RFC 1072, RFC 1644).
 *
 * An option whose length cannot be ends the walk; one of a known kind with a wrong length is shown
 * with its kind and length only. */
#include "dissect/tcp.h"

enum { TCP_OPTION_ROWS(ROW_ENUM) };

struct kind {
	uint8_t kind, row;
	uint8_t min, max; /* lengths that can be */
};

static const struct kind kinds[] = {
	{ 0, OPT_EOL, 1, 1 },
	{ 1, OPT_NOP, 1, 1 },
	{ 2, OPT_MSS, 4, 4 },
	{ 3, OPT_WS, 3, 3 },
	{ 4, OPT_SACK_PERM, 2, 2 },
	{ 5, OPT_SACK, 10, 255 },
	{ 6, OPT_ECHO, 6, 6 },
	{ 7, OPT_ECHO_REPLY, 6, 6 },
	{ 8, OPT_TS, 10, 10 },
	{ 11, OPT_CC, 6, 6 },
	{ 12, OPT_CC_NEW, 6, 6 },
	{ 13, OPT_CC_ECHO, 6, 6 },
	{ 19, OPT_MD5, 18, 18 },
	{ 27, OPT_QS, 8, 8 },
	{ 28, OPT_UTO, 4, 4 },
	{ 29, OPT_AO, 4, 255 },
	{ 34, OPT_TFO, 2, 18 },
	{ 253, OPT_EXP, 2, 255 },
	{ 254, OPT_EXP, 2, 255 },
};

static const struct kind *kind_of(uint8_t k)
{
	if (k <= 8)
		return &kinds[k]; /* in their order, without a gap */
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		if (kinds[i].kind == k)
			return &kinds[i];
	return NULL;
}

static void info(struct l4_dissect *d, const char *name, uint32_t v)
{
	char *o = col_room(d, 64);
	if (o)
		col_took(d, fmt_dec(fmt_str(o, name), v));
}

static void sack(
    struct l4_dissect *d, const uint8_t *o, uint8_t len, struct l4_tcp_hdr *t, unsigned first)
{
	/* RFC 2883: the first block at or below the cumulative ACK, or within the second, tells of
	 * bytes received twice. */
	bool dsack = false;
	uint32_t l1 = l4_get_u32(o + 2), r1 = l4_get_u32(o + 6);
	if (l4_seq_leq(r1, t->ack))
		dsack = t->flags & TH_ACK;
	for (unsigned k = 2; k + 8 <= len; k += 8) {
		uint32_t l = l4_get_u32(o + k), r = l4_get_u32(o + k + 4);
		unsigned nth = (k - 2) / 8;
		dis_u(d, first + SACK_LE, o + k, 4, l - t->base_ack);
		dis_u(d, first + SACK_RE, o + k + 4, 4, r - t->base_ack);
		info(d, " SLE=", l - t->base_ack);
		info(d, " SRE=", r - t->base_ack);
		if (nth < SACK_MAX) {
			t->sack_l[nth] = l;
			t->sack_r[nth] = r;
			t->n_sack = (uint8_t)(nth + 1);
		}
	}
	dis_u(d, first + SACK_COUNT, NULL, 0, (len - 2u) / 8);
	if (dsack) {
		dis_u(d, first + DSACK_LE, NULL, 0, l1 - t->base_ack);
		dis_u(d, first + DSACK_RE, NULL, 0, r1 - t->base_ack);
		dis_expert(d, first + DSACK);
	}
}

static void mptcp(
    struct l4_dissect *d, const uint8_t *o, uint8_t len, struct l4_tcp_hdr *t, unsigned first)
{
	if (len < 3)
		return;
	dis_u(d, first + MP_SUBTYPE, o + 2, 1, o[2] >> 4);
	t->mp_ops |= (uint8_t)(1u << (o[2] >> 4 & 7));
}

static void value(
    struct l4_dissect *d, const uint8_t *o, uint8_t len, struct l4_tcp_hdr *t, unsigned first)
{
	switch (o[0]) {
	case 2:
		dis_u(d, first + MSS_VAL, o + 2, 2, l4_get_u16(o + 2));
		info(d, " MSS=", l4_get_u16(o + 2));
		break;
	case 3: {
		unsigned shift = o[2] > 14 ? 14 : o[2]; /* RFC 7323 2.3 */
		dis_u(d, first + WS_SHIFT, o + 2, 1, o[2]);
		if (o[2] > 14)
			dis_expert(d, first + WS_INVALID);
		dis_u(d, first + WS_MULT, NULL, 0, 1u << shift);
		info(d, " WS=", 1u << shift);
		t->win_scale = (int8_t)shift;
		break;
	}
	case 4:
		if (cols(d))
			col_str(d, " SACK_PERM");
		break;
	case 5:
		sack(d, o, len, t, first);
		break;
	case 6:
	case 7:
		dis_u(d, first + ECHO_VAL, o + 2, 4, l4_get_u32(o + 2));
		info(d, o[0] == 6 ? " ECHO=" : " ECHOREPLY=", l4_get_u32(o + 2));
		break;
	case 8:
		dis_u(d, first + TSVAL, o + 2, 4, l4_get_u32(o + 2));
		dis_u(d, first + TSECR, o + 6, 4, l4_get_u32(o + 6));
		info(d, " TSval=", l4_get_u32(o + 2));
		info(d, " TSecr=", l4_get_u32(o + 6));
		break;
	case 11:
	case 12:
	case 13:
		dis_u(d, first + CC_VAL, o + 2, 4, l4_get_u32(o + 2));
		info(d,
		    o[0] == 11   ? " CC="
		    : o[0] == 12 ? " CCNEW="
				 : " CCECHO=",
		    l4_get_u32(o + 2));
		break;
	case 19:
		if (cols(d))
			col_str(d, " MD5");
		dis_p(d, first + MD5_DIGEST, o + 2, 16);
		break;
	case 27:
		dis_u(d, first + QS_RATE, o + 2, 1, o[2] & 15);
		dis_u(d, first + QS_TTL, o + 3, 1, o[3]);
		break;
	case 28:
		dis_u(d, first + UTO_GRAN, o + 2, 2, o[2] >> 7);
		dis_u(d, first + UTO_VAL, o + 2, 2, l4_get_u16(o + 2) & 0x7fff);
		break;
	case 29:
		if (cols(d))
			col_str(d, " TCP AO");
		dis_u(d, first + AO_KEYID, o + 2, 1, o[2]);
		dis_u(d, first + AO_RNEXT, o + 3, 1, o[3]);
		if (len > 4)
			dis_p(d, first + AO_MAC, o + 4, len - 4u);
		break;
	case 34:
		if (len == 2) {
			if (dis_wants(d, first + TFO_REQUEST))
				dis_push(d, first + TFO_REQUEST, o, 2);
			if (cols(d))
				col_str(d, " TFO=R");
		} else {
			dis_p(d, first + TFO_COOKIE, o + 2, len - 2u);
			if (cols(d))
				col_str(d, " TFO=C");
		}
		break;
	case 253:
	case 254:
		if (len >= 4) {
			dis_u(d, first + EXP_EXID, o + 2, 2, l4_get_u16(o + 2));
			if (len > 4)
				dis_p(d, first + EXP_DATA, o + 4, len - 4u);
		}
		break;
	default:
		break;
	}
}

bool dis_tcp_options(struct l4_dissect *d, struct l4_view v, struct l4_tcp_hdr *t, unsigned first)
{
	uint32_t at = 20, end = t->hlen < v.cap ? t->hlen : v.cap;
	/* What nearly every segment has (RFC 7323 A), when no field of it is wanted. */
	if (!d->w_any && end == 32 && l4_get_u32(v.p + 20) == 0x0101080a) {
		info(d, " TSval=", l4_get_u32(v.p + 24));
		info(d, " TSecr=", l4_get_u32(v.p + 28));
		return true;
	}
	dis_p(d, first + OPTIONS, v.p + 20, end - 20);
	while (at < end) {
		const uint8_t *o = v.p + at;
		const struct kind *k = kind_of(o[0]);
		bool one = o[0] <= 1;
		if (!one && at + 1 >= end) {
			/* no room for a length */
			if (end == t->hlen)
				dis_expert(d, first + OPT_LEN_INVALID);
			break;
		}
		uint8_t len = one ? 1 : o[1];
		/* A length that cannot be ends the list, and its option is none. */
		if (len < (one ? 1 : 2) || len > t->hlen - at) {
			dis_expert(d, first + OPT_LEN_INVALID);
			break;
		}
		uint32_t there = len < end - at ? len : end - at;
		if (k)
			dis_p(d, first + k->row, o, there);
		else if (o[0] == 30)
			dis_title(d, o, there, "Multipath TCP");
		else
			dis_p(d, first + OPT_UNKNOWN, o, there);
		dis_u(d, first + OPTION_KIND, o, 1, o[0]);
		if (!one)
			dis_u(d, first + OPTION_LEN, o + 1, 1, len);
		if (there < len) {
			/* the capture ends within */
			if (o[0] == 8 && len == 10 && there >= 6)
				dis_u(d, first + TSVAL, o + 2, 4, l4_get_u32(o + 2));
			break;
		}
		if (o[0] == 0 && at + 1 < end && o[1])
			break; /* the list ends here */
		if (k && (len < k->min || len > k->max))
			dis_expert(d, first + OPT_LEN_INVALID);
		else if (k)
			value(d, o, len, t, first);
		else if (o[0] == 30)
			mptcp(d, o, len, t, first);
		else if (len > 2)
			dis_p(d, first + UNKNOWN_DATA, o + 2, len - 2u);
		at += len;
	}
	return true;
}
