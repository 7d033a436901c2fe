/* A loop for programs on Linux: hosts on real devices, the monotonic clock, poll(2). POSIX only;
 * embedders with a loop of their own need none of this. */
#ifndef LAYER4_LOOP_H
#define LAYER4_LOOP_H

#include <layer4/host.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- Devices --- */

/* How to open a device; all zero are the defaults. */
struct l4_device_options {
	bool no_offload;   /* send plain frames of at most the MTU, checksums done by us */
	uint32_t mtu;      /* bytes; tap and tun: set on the interface; packet: used when smaller
			    * than the interface's. 0: the interface's */
	struct l4_mac mac; /* packet: an address of our own; implies promiscuous. Zero: use the
			    * interface's, shared with the kernel */
	bool promiscuous;  /* packet: see frames for all MACs */
	bool qdisc_bypass; /* packet: send past the queueing discipline */
	uint16_t queues;   /* tap and tun: above 1, one of several queues; open each with its own
			    * call. 0: one */
};
/* Opens "tap:NAME", "tun:NAME" (made when missing), "packet:IF" or "xdp:IF": AF_XDP on queue 0 of
 * the interface, which the kernel does not receive any more meanwhile, with plain frames and
 * checksums by us (a veth at whose other end checksums are left to the device must have that
 * switched off). Built with libxdp; else L4_EUNSUPPORTED. Built with liburing, batches to tap and
 * tun go by io_uring; without it, or where the system refuses it, by one write(2) a frame. o may be
 * NULL. *out is the caller's, to close with its ops->close or to give to a loop. On failure err
 * (cap bytes) gets a line that names what failed and what to do. L4_EPERM, L4_EINVAL, L4_ENOTFOUND,
 * L4_EINUSE, L4_EUNSUPPORTED, L4_ENOMEM, L4_ESYS. */
L4_EXPORT int l4_device_open(struct l4_device **out, const char *spec,
    const struct l4_device_options *o, char *err, size_t cap);

#define L4_FANOUT_MAX 64
/* Opens n devices, 1 to L4_FANOUT_MAX, on one interface that share its flows: what arrives for one
 * TCP or UDP flow arrives at the same one always. For as many hosts with the same addresses, each
 * in its own thread. What is of no flow and any may wait for (ARP replies, neighbour and router
 * advertisements, ICMP errors) reaches all. tap, tun (IFF_MULTI_QUEUE), packet (a MAC of its
 * own; PACKET_FANOUT_HASH) and xdp (the interface must have n queues: ethtool -L). Each of out[] is
 * closed by itself. As l4_device_open, and L4_EUNSUPPORTED for other kinds; on failure none is
 * open. */
L4_EXPORT int l4_device_open_many(struct l4_device **out, size_t n, const char *spec,
    const struct l4_device_options *o, char *err, size_t cap);

/* --- Captures of what devices carry --- */

struct l4_pcap;
/* A pcapng file that frames are written to, as they are on the wire: super-frames in parts,
 * checksums complete, our decisions as packet comments. epoch is added to every time: ns from 1970
 * to the zero of the clock in use (virtual time: 0, so that a capture depends on the seed only).
 * L4_ESYS with the reason in err, L4_ENOMEM. */
L4_EXPORT int l4_pcap_open(
    struct l4_pcap **out, const char *path, l4_time epoch, char *err, size_t cap);
/* Describes an interface; returns its number in the file, from 0, or L4_E*. */
L4_EXPORT int l4_pcap_add_iface(struct l4_pcap *p, const char *name, enum l4_medium medium);
/* Writes a frame of an interface. Returns 0, or L4_ESYS once a write has failed. */
L4_EXPORT int l4_pcap_frame(
    struct l4_pcap *p, int iface, bool sent, const struct l4_frame *f, l4_time now);
/* Hands all that is buffered to the system; the file is whole then. Returns 0 or L4_ESYS. */
L4_EXPORT int l4_pcap_flush(struct l4_pcap *p);
L4_EXPORT int l4_pcap_close(struct l4_pcap *p); /* flushes; NULL is allowed */
/* A device that writes every frame both ways to a file of its own and otherwise is inner, which it
 * takes over. Times are those of l4_loop_now. */
L4_EXPORT int l4_pcap_new(
    struct l4_device **out, struct l4_device *inner, const char *path, char *err, size_t cap);
/* Calls fn with every frame both ways; wraps inner. */
L4_EXPORT int l4_tap_new(struct l4_device **out, struct l4_device *inner,
    void (*fn)(void *ctx, bool sent, const struct l4_frame *f, l4_time now), void *ctx);

/* --- Sharing an address with the kernel --- */

/* Keeps the kernel from answering for ports of ours on an address that we share with it, by a table
 * of nftables with the owner flag, which the kernel removes when the process ends in whatever way;
 * and keeps the kernel's traffic from us, by the packet device's filter: of TCP and UDP only the
 * ports added here arrive, of ARP only replies, no echo requests, no neighbour solicitations (the
 * kernel answers those). Ports are added as they come into use, before the first frame. */
struct l4_guard;
/* packet: the device that l4_device_open gave for "packet:interface", not yet wrapped; it must
 * outlive the guard. L4_EINVAL (not such a device), L4_EPERM, L4_EUNSUPPORTED, L4_ENOMEM, L4_ESYS;
 * err (cap bytes) says what and what to do. */
L4_EXPORT int l4_guard_new(
    struct l4_guard **out, const char *interface, struct l4_device *packet, char *err, size_t cap);
/* protocol 6 or 17; port in host order. Twice is once. The port is held in the kernel too, so that
 * no program gets it: L4_EINUSE when one has it. L4_ELIMIT above 1024 ports. */
L4_EXPORT int l4_guard_add(
    struct l4_guard *g, uint8_t protocol, uint16_t port, char *err, size_t cap);
/* Gives the ports back to the kernel. NULL is allowed. */
L4_EXPORT void l4_guard_free(struct l4_guard *g);

/* --- The loop --- */
struct l4_loop;
L4_EXPORT int l4_loop_new(struct l4_loop **out);
/* Closes the devices; hosts are the caller's, who frees them afterwards. */
L4_EXPORT void l4_loop_free(struct l4_loop *l);
L4_EXPORT l4_time l4_loop_now(const struct l4_loop *l); /* CLOCK_MONOTONIC */
/* The device belongs to the loop from now on; frames go to the host's interface. */
L4_EXPORT int l4_loop_add(
    struct l4_loop *l, struct l4_host *h, unsigned ifindex, struct l4_device *d);
/* Also waits for a descriptor of the caller's; events as in poll(2), 0 removes it. */
L4_EXPORT int l4_loop_watch(struct l4_loop *l, int fd, short events,
    void (*fn)(void *ctx, int fd, short revents), void *ctx);
/* Moves frames and time once, waiting at most until `until` (L4_TIME_NEVER: for ever) for
 * something to happen. Returns 0, or L4_E* when a device failed (errno in its saved_errno), or
 * L4_EAGAIN after a signal. */
L4_EXPORT int l4_loop_once(struct l4_loop *l, l4_time until);
/* 32 bytes of the system's entropy; L4_EENTROPY when there is none. */
L4_EXPORT int l4_entropy(uint8_t out[32]);

#ifdef __cplusplus
}
#endif
#endif
