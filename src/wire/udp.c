/* UDP headers (RFC 768), and the checksum of upper-layer packets with pseudo-header. */
#include <layer4/wire.h>

#include <string.h>

#include "base/cursor.h"

int l4_udp_parse(struct l4_udp_hdr *out, const void *data, size_t len)
{
	const uint8_t *p = data;
	if (len < L4_UDP_HDR_LEN)
		return L4_ETRUNC;
	out->sport = l4_get_u16(p);
	out->dport = l4_get_u16(p + 2);
	out->len = l4_get_u16(p + 4);
	memcpy(&out->csum_be, p + 6, 2);
	/* Bytes beyond the UDP length are not data (RFC 9868 puts options there). */
	if (out->len < L4_UDP_HDR_LEN || out->len > len)
		return L4_EMALFORMED;
	return L4_UDP_HDR_LEN;
}

int l4_udp_emit(const struct l4_udp_hdr *in, void *buf, size_t cap)
{
	uint8_t *p = buf;
	if (cap < L4_UDP_HDR_LEN)
		return L4_ETRUNC;
	if (in->len < L4_UDP_HDR_LEN)
		return L4_EINVAL;
	l4_put_u16(p, in->sport);
	l4_put_u16(p + 2, in->dport);
	l4_put_u16(p + 4, in->len);
	memcpy(p + 6, &in->csum_be, 2);
	return L4_UDP_HDR_LEN;
}

uint16_t l4_wire_csum(const struct l4_addr *src, const struct l4_addr *dst, uint8_t proto,
    const void *data, size_t len)
{
	uint32_t sum = l4_csum_pseudo(src, dst, proto, (uint32_t)len);
	return l4_csum_fold(l4_csum_partial(data, len, sum));
}
