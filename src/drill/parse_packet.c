/* The parser of packets: TCP with its options, UDP, ICMP.
 *
 * TCP options are encoded at once, byte for byte as on the wire but with the script's numbers in
 * SACK blocks and timestamps; the runner translates those in place. Nothing is padded: the total
 * has to be a multiple of four, as the language says. */
#include "drill/parse.h"

#include <string.h>

#include "base/cursor.h"

#define U32_MAX 0xffffffffll

/* Words between the brackets: noecn, ect0, ect1, ce, ect01, tos N, flowlabel N, ttl N. */
static void parse_ip_info(struct l4_parser *p, struct l4_dp *d)
{
	char close = 0;
	if (l4_parse_is(p, '['))
		close = ']';
	else if (l4_parse_is(p, '('))
		close = ')';
	else
		return;
	l4_parse_next(p);
	static const char *const marks[4] = { "noecn", "ect1", "ect0", "ce" };
	while (!p->bad && !l4_parse_is(p, close)) {
		int64_t n = 0;
		bool found = false;
		for (unsigned i = 0; i < 4; i++) {
			if (l4_parse_is_word(p, marks[i])) {
				d->ecn = L4_DP_ECN_VALUE;
				d->tos = (uint8_t)i;
				found = true;
			}
		}
		if (found) {
			l4_parse_next(p);
		} else if (l4_parse_is_word(p, "ect01")) {
			d->ecn = L4_DP_ECN_ECT01;
			if (d->inbound)
				l4_parse_fail(p, "ect01 is for outbound packets");
			l4_parse_next(p);
		} else if (l4_parse_is_word(p, "tos")) {
			l4_parse_next(p);
			l4_parse_number(p, 0, 255, &n, "the traffic class");
			d->ecn = L4_DP_ECN_TOS;
			d->tos = (uint8_t)n;
		} else if (l4_parse_is_word(p, "flowlabel")) {
			l4_parse_next(p);
			l4_parse_number(p, 0, 0xfffff, &n, "the flow label");
			d->has_flow = true;
			d->flow = (uint32_t)n;
		} else if (l4_parse_is_word(p, "ttl") || l4_parse_is_word(p, "hlim")) {
			l4_parse_next(p);
			l4_parse_number(p, 0, 255, &n, "the hop limit");
			d->has_ttl = true;
			d->ttl = (uint8_t)n;
		} else {
			l4_parse_fail(p, "ect0, ect1, ce, noecn, ect01, tos, flowlabel or ttl "
					 "is wanted");
		}
		l4_parse_accept(p, ',');
	}
	l4_parse_expect(p, close);
}

/* "9000 > 8080", when it is there. */
static void parse_ports(struct l4_parser *p, struct l4_dp *d)
{
	if (p->bad || p->t.kind != L4_TOK_INT)
		return;
	struct l4_token first = p->t;
	l4_parse_next(p);
	if (!l4_parse_is(p, '>')) {
		l4_lex_rewind(&p->x, &first);
		l4_parse_next(p);
		return;
	}
	l4_lex_rewind(&p->x, &first);
	l4_parse_next(p);
	int64_t a, b;
	l4_parse_number(p, 0, 65535, &a, "a port");
	l4_parse_expect(p, '>');
	l4_parse_number(p, 0, 65535, &b, "a port");
	d->sport = (uint16_t)a;
	d->dport = (uint16_t)b;
}

/* The flags are read as raw characters: "SEW." and ".3" are no tokens. */
static void parse_flags(struct l4_parser *p, struct l4_dp *d)
{
	if (p->bad)
		return;
	static const char letters[] = "FSRPUEWA.";
	static const unsigned bits[] = { L4_DP_FIN, L4_DP_SYN, L4_DP_RST, L4_DP_PSH, L4_DP_URG,
		L4_DP_ECE, L4_DP_CWR, L4_DP_AE, L4_DP_ACK };
	const char *q = p->t.at;
	for (; q < p->x.end && *q != ' ' && *q != '\t' && *q != '\n'; q++) {
		const char *l = memchr(letters, *q, sizeof(letters) - 1);
		unsigned bit = l ? bits[l - letters] : 0;
		if (*q >= '0' && *q <= '7') {
			unsigned ace = (unsigned)(*q - '0');
			bit = (ace & 4 ? L4_DP_AE : 0) | (ace & 2 ? L4_DP_CWR : 0) |
			      (ace & 1 ? L4_DP_ECE : 0);
			if (d->flags & (L4_DP_AE | L4_DP_CWR | L4_DP_ECE))
				l4_parse_fail(p, "the ECN flags are given twice");
		} else if (*q == '-' && q == p->t.at) {
			bit = 0;
		} else if (!bit || (d->flags & bit)) {
			l4_parse_fail(p, "TCP flags (FSRPUEWA. or -) are wanted here");
			return;
		}
		d->flags |= bit;
	}
	p->x.p = q;
	l4_parse_next(p);
}

static void parse_seq(struct l4_parser *p, uint32_t *seq, uint32_t *len)
{
	int64_t a, b, n;
	l4_parse_number(p, 0, U32_MAX, &a, "a sequence number");
	l4_parse_expect(p, ':');
	struct l4_token end = p->t;
	l4_parse_number(p, 0, U32_MAX, &b, "a sequence number");
	l4_parse_expect(p, '(');
	l4_parse_number(p, 0, 65535, &n, "the bytes of payload");
	l4_parse_expect(p, ')');
	if (!p->bad && (uint32_t)(a + n) != (uint32_t)b) {
		p->t = end;
		l4_parse_fail(p, "the end must be the start plus the length");
	}
	*seq = (uint32_t)a;
	*len = (uint32_t)n;
}

/* ---- TCP options ---- */

/* Hexadecimal digits up to the next ',' or '>'; kind and length go in front. */
static void put_blob(struct l4_parser *p, struct l4_wr *w, uint8_t kind, bool magic)
{
	uint8_t bytes[40];
	size_t n = 0;
	int high = -1;
	if (p->bad)
		return;
	const char *q = p->t.replaced ? p->t.str : p->t.at;
	const char *end = p->t.replaced ? q + p->t.len : p->x.end;
	if (end - q > 2 && q[0] == '0' && q[1] == 'x')
		q += 2;
	for (; q < end && !strchr(",> \t\n", *q); q++) {
		int d = *q >= '0' && *q <= '9'   ? *q - '0'
			: *q >= 'a' && *q <= 'f' ? *q - 'a' + 10
			: *q >= 'A' && *q <= 'F' ? *q - 'A' + 10
						 : -1;
		if (d < 0 || n == sizeof(bytes)) {
			l4_parse_fail(p, "at most 40 bytes in hexadecimal are wanted");
			return;
		}
		if (high < 0) {
			high = d;
		} else {
			bytes[n++] = (uint8_t)(high << 4 | d);
			high = -1;
		}
	}
	if (high >= 0) {
		l4_parse_fail(p, "an even number of hexadecimal digits is wanted");
		return;
	}
	if (!p->t.replaced)
		p->x.p = q;
	l4_parse_next(p);
	l4_wr_u8(w, kind);
	l4_wr_u8(w, (uint8_t)(n + (magic ? 4 : 2)));
	if (magic)
		l4_wr_u16(w, 0xf989); /* RFC 7413 appendix A */
	l4_wr_bytes(w, bytes, n);
}

static void put_sack(struct l4_parser *p, struct l4_wr *w)
{
	uint8_t *head = l4_wr_take(w, 2);
	unsigned n = 0;
	while (!p->bad && p->t.kind == L4_TOK_INT) {
		int64_t a, b;
		l4_parse_number(p, 0, U32_MAX, &a, "the start of a SACK block");
		l4_parse_expect(p, ':');
		l4_parse_number(p, 0, U32_MAX, &b, "the end of a SACK block");
		l4_wr_u32(w, (uint32_t)a);
		l4_wr_u32(w, (uint32_t)b);
		n++;
	}
	if (head) {
		head[0] = 5;
		head[1] = (uint8_t)(2 + 8 * n);
	}
}

/* AccECN (RFC 9768 3.2.3): kind 172 starts with e0b, 174 with e1b. */
static void put_accecn(struct l4_parser *p, struct l4_wr *w)
{
	static const char *const order[2][3] = { { "e0b", "ceb", "e1b" }, { "e1b", "ceb", "e0b" } };
	uint8_t *head = l4_wr_take(w, 2);
	unsigned first = l4_parse_is_word(p, "e1b") ? 1 : 0, n = 0;
	while (n < 3 && l4_parse_is_word(p, order[first][n])) {
		int64_t v;
		l4_parse_next(p);
		l4_parse_number(p, 0, 0xffffff, &v, "a byte counter");
		l4_wr_u24(w, (uint32_t)v);
		n++;
	}
	if (head) {
		head[0] = first ? 174 : 172;
		head[1] = (uint8_t)(2 + 3 * n);
	}
}

static void put_number(struct l4_parser *p, struct l4_wr *w, uint8_t kind, int64_t max)
{
	int64_t v;
	l4_parse_number(p, 0, max, &v, "the value of the option");
	l4_wr_u8(w, kind);
	l4_wr_u8(w, max > 255 ? 4 : 3);
	if (max > 255)
		l4_wr_u16(w, (uint16_t)v);
	else
		l4_wr_u8(w, (uint8_t)v);
}

static void put_timestamps(struct l4_parser *p, struct l4_wr *w)
{
	int64_t val = 0, ecr = 0;
	if (l4_parse_is_word(p, "val")) {
		l4_parse_next(p);
		l4_parse_number(p, 0, U32_MAX, &val, "the timestamp");
		if (!l4_parse_is_word(p, "ecr"))
			l4_parse_fail(p, "'ecr' is wanted here");
		l4_parse_next(p);
		l4_parse_number(p, 0, U32_MAX, &ecr, "the echoed timestamp");
	} else {
		l4_parse_fail(p, "'val' is wanted here");
	}
	l4_wr_u8(w, 8);
	l4_wr_u8(w, 10);
	l4_wr_u32(w, (uint32_t)val);
	l4_wr_u32(w, (uint32_t)ecr);
}

static void parse_option(struct l4_parser *p, struct l4_wr *w)
{
	static const char *const names[] = { "nop", "eol", "mss", "wscale", "sackOK", "sack", "TS",
		"FO", "FOEXP", "md5", "ECN" };
	unsigned i = 0, n = sizeof(names) / sizeof(names[0]);
	while (i < n && !l4_parse_is_word(p, names[i]))
		i++;
	if (i == n) {
		l4_parse_fail(p, "a TCP option is wanted (mss, wscale, sackOK, sack, TS, nop, eol, "
				 "FO, FOEXP, md5, ECN)");
		return;
	}
	p->raw = i >= 7 && i <= 9;
	l4_parse_next(p);
	p->raw = false;
	switch (i) {
	case 0:
		l4_wr_u8(w, 1);
		break;
	case 1:
		l4_wr_u8(w, 0);
		break;
	case 2:
		put_number(p, w, 2, 65535);
		break;
	case 3:
		put_number(p, w, 3, 255);
		break;
	case 4:
		l4_wr_u8(w, 4);
		l4_wr_u8(w, 2);
		break;
	case 5:
		put_sack(p, w);
		break;
	case 6:
		put_timestamps(p, w);
		break;
	case 7:
		put_blob(p, w, 34, false);
		break;
	case 8:
		put_blob(p, w, 254, true);
		break;
	case 9:
		put_blob(p, w, 19, false);
		break;
	default:
		put_accecn(p, w);
		break;
	}
}

static void parse_options(struct l4_parser *p, struct l4_dp *d)
{
	struct l4_token open = p->t;
	if (!l4_parse_accept(p, '<'))
		return;
	if (!p->bad && p->t.kind == L4_TOK_ELLIPSIS) {
		d->any_options = true;
		if (d->inbound)
			l4_parse_fail(p, "an inbound packet needs its options spelled out");
		l4_parse_next(p);
		l4_parse_expect(p, '>');
		return;
	}
	struct l4_wr w = l4_wr_init(d->opts, sizeof(d->opts));
	do {
		parse_option(p, &w);
	} while (!p->bad && l4_parse_accept(p, ','));
	l4_parse_expect(p, '>');
	if (p->bad)
		return;
	if (!l4_wr_ok(&w) || l4_wr_len(&w) % 4) {
		p->t = open;
		l4_parse_fail(
		    p, l4_wr_ok(&w) ? "the options must fill a multiple of 4 bytes (add nop or eol)"
				    : "the options are longer than 40 bytes");
		return;
	}
	d->opts_len = (uint8_t)l4_wr_len(&w);
}

static void parse_tcp(struct l4_parser *p, struct l4_dp *d)
{
	int64_t n;
	parse_ports(p, d);
	parse_flags(p, d);
	parse_seq(p, &d->seq, &d->len);
	if (l4_parse_is_word(p, "ack")) {
		l4_parse_next(p);
		d->has_ack = l4_parse_number(p, 0, U32_MAX, &n, "the acknowledgement number");
		d->ack = (uint32_t)n;
	}
	if (l4_parse_is_word(p, "win")) {
		l4_parse_next(p);
		d->has_win = l4_parse_number(p, 0, 65535, &n, "the window");
		d->win = (uint16_t)n;
	} else if (d->inbound) {
		l4_parse_fail(p, "an inbound packet needs a window ('win N')");
	}
	if (l4_parse_is_word(p, "urg")) {
		l4_parse_next(p);
		l4_parse_number(p, 0, 65535, &n, "the urgent pointer");
		d->urg = (uint16_t)n;
	}
	parse_options(p, d);
}

/* ---- UDP and ICMP ---- */

static void parse_udp(struct l4_parser *p, struct l4_dp *d)
{
	int64_t n;
	parse_ports(p, d);
	l4_parse_expect(p, '(');
	l4_parse_number(p, 0, 65507, &n, "the bytes of payload");
	l4_parse_expect(p, ')');
	d->len = (uint32_t)n;
}

static void parse_echo(struct l4_parser *p, struct l4_dp *d)
{
	if (!l4_parse_accept(p, '['))
		return;
	bool raw = l4_parse_is_word(p, "raw");
	if (raw || l4_parse_is_word(p, "udp")) {
		int64_t n;
		d->echo = raw ? L4_DP_ECHO_RAW : L4_DP_ECHO_UDP;
		l4_parse_next(p);
		l4_parse_expect(p, '(');
		l4_parse_number(p, 0, 65507, &n, "the bytes of payload");
		l4_parse_expect(p, ')');
		d->echo_len = (uint32_t)n;
	} else {
		d->echo = L4_DP_ECHO_TCP;
		parse_seq(p, &d->echo_seq, &d->echo_len);
	}
	l4_parse_expect(p, ']');
}

static void parse_icmp(struct l4_parser *p, struct l4_dp *d)
{
	if (p->bad || p->t.kind != L4_TOK_WORD) {
		l4_parse_fail(p, "the type of the ICMP message is wanted here");
		return;
	}
	struct l4_token name = p->t;
	const char *type = l4_parse_text(p), *code = NULL;
	l4_parse_next(p);
	if (!p->bad && p->t.kind == L4_TOK_WORD && !l4_parse_is_word(p, "mtu") &&
	    !l4_parse_is_word(p, "id")) {
		code = l4_parse_text(p);
		l4_parse_next(p);
	}
	if (p->bad)
		return;
	for (int v6 = 0; v6 < 2; v6++)
		d->icmp_valid[v6] =
		    l4_drill_icmp(v6, type, code, &d->icmp_type[v6], &d->icmp_code[v6]);
	if (!d->icmp_valid[0] && !d->icmp_valid[1]) {
		p->t = name;
		l4_parse_fail(p, "a known type and code of ICMP are wanted");
		return;
	}
	int64_t n;
	if (l4_parse_is_word(p, "mtu")) {
		l4_parse_next(p);
		d->has_mtu = l4_parse_number(p, 0, U32_MAX, &n, "the MTU");
		d->mtu = (uint32_t)n;
	}
	if (l4_parse_is_word(p, "id")) {
		l4_parse_next(p);
		l4_parse_number(p, 0, 65535, &n, "the identifier");
		d->icmp_id = (uint16_t)n;
	}
	parse_echo(p, d);
}

void l4_parse_packet(struct l4_parser *p, struct l4_dp *d)
{
	d->inbound = l4_parse_is(p, '<');
	l4_parse_next(p);
	parse_ip_info(p, d);
	if (l4_parse_is_word(p, "udp")) {
		d->proto = L4_DP_UDP;
		l4_parse_next(p);
		parse_udp(p, d);
	} else if (l4_parse_is_word(p, "icmp")) {
		d->proto = L4_DP_ICMP;
		l4_parse_next(p);
		parse_icmp(p, d);
	} else if (l4_parse_is_word(p, "ipv4") || l4_parse_is_word(p, "ipv6") ||
		   l4_parse_is_word(p, "gre") || l4_parse_is_word(p, "mpls") ||
		   l4_parse_is_word(p, "GREv0")) {
		l4_parse_fail(p, "outer headers are not supported here");
	} else {
		d->proto = L4_DP_TCP;
		parse_tcp(p, d);
	}
}
