/* IPv4 headers (RFC 791).
 *
 * Order of checks: version, header length, total length against what is there, options. No field
 * is used as a length before it was compared with the bytes that remain. Options are walked only
 * to know that each lies inside the header and which kinds are there; nothing acts on them. */
#include <layer4/wire.h>

#include <string.h>

#include "base/cursor.h"

#define OPT_EOL 0
#define OPT_NOP 1

static uint8_t opt_flag(uint8_t kind)
{
	switch (kind) {
	case 7:
		return L4_IPO_RR;
	case 68:
		return L4_IPO_TS;
	case 131:
		return L4_IPO_LSRR;
	case 137:
		return L4_IPO_SSRR;
	case 148:
		return L4_IPO_ROUTER_ALERT;
	default:
		return L4_IPO_OTHER;
	}
}

/* Options that carry a route or times have a pointer to the next slot: at least 4 (5 for
 * timestamps), and at most one past the option when it is full. */
static bool pointer_ok(uint8_t kind, const uint8_t *opt, uint8_t optlen)
{
	uint8_t least = kind == 68 ? 5 : 4;
	switch (kind) {
	case 7:
	case 131:
	case 137:
		return optlen >= 3 && opt[2] >= least && opt[2] <= optlen + 1;
	case 68:
		return optlen >= 4 && opt[2] >= least && opt[2] <= optlen + 1;
	case 148: /* RFC 2113: always four octets */
		return optlen == 4;
	default:
		return true;
	}
}

/* RFC 1122 3.2.1.8: EOL and NOP are single octets, every other option says its length. */
static int walk_options(const uint8_t *p, size_t len, uint8_t *flags)
{
	size_t i = 0;
	while (i < len && p[i] != OPT_EOL) {
		if (p[i] == OPT_NOP) {
			i++;
			continue;
		}
		size_t left = len - i;
		if (left < 2 || p[i + 1] < 2 || p[i + 1] > left)
			return L4_EMALFORMED;
		if (!pointer_ok(p[i], p + i, p[i + 1]))
			return L4_EMALFORMED;
		*flags |= opt_flag(p[i]);
		i += p[i + 1];
	}
	return L4_OK;
}

static int parse(struct l4_ip4_hdr *out, const uint8_t *p, size_t len, bool quoted)
{
	if (len < L4_IP4_HDR_LEN)
		return L4_ETRUNC;
	if (p[0] >> 4 != 4)
		return L4_EMALFORMED;
	size_t hdr_len = (p[0] & 15u) * 4u;
	uint16_t total_len = l4_get_u16(p + 2);
	if (hdr_len < L4_IP4_HDR_LEN || total_len < hdr_len)
		return L4_EMALFORMED;
	if (hdr_len > len || (!quoted && total_len > len))
		return L4_ETRUNC;
	uint16_t frag = l4_get_u16(p + 6);
	out->hdr_len = (uint8_t)hdr_len;
	out->tos = p[1];
	out->total_len = total_len;
	out->id = l4_get_u16(p + 4);
	out->reserved = frag & 0x8000;
	out->df = frag & 0x4000;
	out->mf = frag & 0x2000;
	out->frag_off = (uint16_t)((frag & 0x1fff) * 8);
	out->ttl = p[8];
	out->proto = p[9];
	memcpy(&out->csum_be, p + 10, 2);
	out->src = l4_addr_from_ip4(p + 12);
	out->dst = l4_addr_from_ip4(p + 16);
	out->opt_flags = 0;
	out->opts_len = (uint8_t)(hdr_len - L4_IP4_HDR_LEN);
	if (out->opts_len) {
		memcpy(out->opts, p + 20, out->opts_len);
		if (walk_options(p + 20, out->opts_len, &out->opt_flags) != L4_OK)
			return L4_EMALFORMED;
	}
	return (int)hdr_len;
}

int l4_ip4_parse(struct l4_ip4_hdr *out, const void *data, size_t len)
{
	return parse(out, data, len, false);
}

int l4_ip4_parse_quoted(struct l4_ip4_hdr *out, const void *data, size_t len)
{
	return parse(out, data, len, true);
}

bool l4_ip4_csum_ok(const void *hdr, size_t hdr_len)
{
	/* The sum over a right header is 0xffff in either of its forms (RFC 1624 3). */
	return l4_csum_fold(l4_csum_partial(hdr, hdr_len, 0)) == 0;
}

int l4_ip4_emit(const struct l4_ip4_hdr *in, void *buf, size_t cap)
{
	if (in->opts_len > 40 || in->frag_off % 8 != 0)
		return L4_EINVAL;
	size_t pad = (4 - in->opts_len % 4u) % 4u, hdr_len = L4_IP4_HDR_LEN + in->opts_len + pad;
	if (in->total_len < hdr_len)
		return L4_EINVAL;
	if (cap < hdr_len)
		return L4_ETRUNC;
	uint8_t *p = buf;
	p[0] = (uint8_t)(0x40 | hdr_len / 4);
	p[1] = in->tos;
	l4_put_u16(p + 2, in->total_len);
	l4_put_u16(p + 4, in->id);
	unsigned frag = in->frag_off / 8u;
	frag |= in->reserved ? 0x8000u : 0;
	frag |= in->df ? 0x4000u : 0;
	frag |= in->mf ? 0x2000u : 0;
	l4_put_u16(p + 6, (uint16_t)frag);
	p[8] = in->ttl;
	p[9] = in->proto;
	memset(p + 10, 0, 2);
	memcpy(p + 12, in->src.b + 12, 4);
	memcpy(p + 16, in->dst.b + 12, 4);
	if (in->opts_len) {
		memcpy(p + 20, in->opts, in->opts_len);
		memset(p + 20 + in->opts_len, 0, pad);
	}
	uint16_t csum = l4_csum_fold(l4_csum_partial(p, hdr_len, 0));
	memcpy(p + 10, &csum, 2);
	return (int)hdr_len;
}
