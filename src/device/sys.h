/* What the devices on the system share. Included by src/device only. */
#ifndef L4_DEVICE_SYS_H
#define L4_DEVICE_SYS_H

#include <layer4/device.h>
#include <layer4/loop.h>

#define L4_FRAME_MAX (65536u + 64) /* bytes of the largest frame that a kernel gives */

/* Writes a message to err and returns `code`. */
int l4_sys_fail(char *err, size_t cap, int code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* L4_EPERM, L4_EINVAL, L4_ENOTFOUND, L4_EINUSE, L4_ENOMEM or L4_ESYS for an errno. */
int l4_sys_code(int errnum);

int l4_tuntap_open(struct l4_device **out, bool tap, const char *name,
    const struct l4_device_options *o, char *err, size_t cap);
/* One queue of an interface. first: the device of another queue, whose program it joins; NULL:
 * loads one. */
int l4_xdp_open(struct l4_device **out, const char *name, uint32_t queue,
    const struct l4_device *first, const struct l4_device_options *o, char *err, size_t cap);
/* How many queues an interface receives by; 0: it does not say. */
int l4_xdp_queues(const char *name);
int l4_packet_open(struct l4_device **out, const char *name, const struct l4_device_options *o,
    char *err, size_t cap);

/* Joins the packet sockets that share what arrives by flow: the group *id, or a fresh one when that
 * is 0, which *id then is. -1 with errno. */
int l4_packet_fanout(struct l4_device *d, uint16_t *id);
/* Narrows what a packet device receives to what is ours on a shared address: keys are
 * protocol << 16 | port. L4_EINVAL when d is no packet device; L4_ESYS with errno. */
int l4_packet_share(struct l4_device *d, const uint32_t *keys, size_t n);

/* Sets or reads what an interface has, by ioctl; -1 with errno. */
int l4_sys_if_mtu(int sock, const char *name, uint32_t set, uint32_t *mtu);
int l4_sys_if_up(int sock, const char *name);

#endif
