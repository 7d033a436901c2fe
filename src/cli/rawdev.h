/* Packets on the loopback interface, as a device. Included by src/cli only. */
#ifndef L4_CLI_RAWDEV_H
#define L4_CLI_RAWDEV_H

#include <layer4/device.h>

/* Gives IP packets to the kernel by raw sockets, and takes what passes over the interface. 0, or a
 * negative L4_E* with a line in err. */
int rawdev_open(struct l4_device **out, int ifindex, char *err, size_t cap);

#endif
