/* struct virtio_net_hdr to and from the offload record of a frame. Included by src/device only. */
#ifndef L4_DEVICE_VNET_H
#define L4_DEVICE_VNET_H

#include <layer4/device.h>

#define L4_VNET_LEN                                                                   \
	10 /* bytes; fields in the machine's order, as TUN and packet sockets have it \
	    */

void l4_vnet_emit(uint8_t hdr[L4_VNET_LEN], const struct l4_offload *o);
void l4_vnet_parse(struct l4_offload *o, const uint8_t hdr[L4_VNET_LEN]);

#endif
