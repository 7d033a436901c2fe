/* struct virtio_net_hdr (virtio 1.1, 5.1.6) to and from the offload record of a frame.
 *
 * The record was made after that header, so this is a change of clothes. One thing is worth
 * knowing: the kernel refuses a GSO frame without NEEDS_CSUM, and so it is always said there. */
#include "device/vnet.h"

#include <string.h>

#define F_NEEDS_CSUM 1
#define F_DATA_VALID 2
#define GSO_ECN      0x80

void l4_vnet_emit(uint8_t hdr[L4_VNET_LEN], const struct l4_offload *o)
{
	memset(hdr, 0, L4_VNET_LEN);
	if (o->needs_csum || o->gso_type) {
		hdr[0] = F_NEEDS_CSUM;
		memcpy(hdr + 6, &o->csum_start, 2);
		memcpy(hdr + 8, &o->csum_offset, 2);
	}
	if (o->gso_type) {
		hdr[1] = (uint8_t)(o->gso_type | (o->gso_ecn ? GSO_ECN : 0));
		memcpy(hdr + 2, &o->hdr_len, 2);
		memcpy(hdr + 4, &o->gso_size, 2);
	}
}

void l4_vnet_parse(struct l4_offload *o, const uint8_t hdr[L4_VNET_LEN])
{
	memset(o, 0, sizeof *o);
	o->needs_csum = hdr[0] & F_NEEDS_CSUM;
	o->csum_valid = hdr[0] & F_DATA_VALID;
	if (o->needs_csum) {
		memcpy(&o->csum_start, hdr + 6, 2);
		memcpy(&o->csum_offset, hdr + 8, 2);
	}
	switch (hdr[1] & ~GSO_ECN) {
	case L4_GSO_TCPV4:
	case L4_GSO_TCPV6:
	case L4_GSO_UDP_L4:
		o->gso_type = (uint8_t)(hdr[1] & ~GSO_ECN);
		o->gso_ecn = hdr[1] & GSO_ECN;
		memcpy(&o->hdr_len, hdr + 2, 2);
		memcpy(&o->gso_size, hdr + 4, 2);
		break;
	default:
		break;
	}
}
