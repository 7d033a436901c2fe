/* Frames and devices: how bytes reach a host and leave it.
 *
 * A frame is a list of pieces and an offload record with the meaning of virtio_net_hdr, so that a
 * TCP segment of up to 64 KiB travels as one frame wherever the device can take it and is split at
 * the edge (l4_gso_*) where it cannot. The library never owns a thread or a file descriptor: a
 * device is a table of functions that the embedder's loop calls. */
#ifndef LAYER4_DEVICE_H
#define LAYER4_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <layer4/addr.h>
#include <layer4/time.h>
#include <layer4/trace.h>
#include <layer4/version.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A run of bytes. The same layout as struct iovec. */
struct l4_piece {
	const void *data;
	size_t len;
};

enum l4_gso_type {
	L4_GSO_NONE = 0,
	L4_GSO_TCPV4 = 1,
	L4_GSO_TCPV6 = 4,
	L4_GSO_UDP_L4 = 5,
};

/* What a device still has to do to a frame sent, or has done to a frame received. Offsets count
 * from the first byte of the frame (the Ethernet header on Ethernet). */
struct l4_offload {
	bool needs_csum;   /* the 16-bit field at csum_start + csum_offset holds the folded, not
			    * complemented pseudo-header sum; the sum from csum_start to the end
			    * is still to be added. On receive: trusted, never crossed a wire */
	bool csum_valid;   /* receive: the device has verified the transport checksum */
	bool gso_ecn;      /* TCP with CWR in the first segment only (RFC 3168 6.1.2) */
	uint8_t gso_type;  /* enum l4_gso_type */
	uint16_t gso_size; /* payload bytes in each segment but the last */
	uint16_t hdr_len;  /* bytes of all headers, gso frames only */
	uint16_t csum_start;
	uint16_t csum_offset;
};

/* One frame. Received: the pieces belong to the device until its next rx call. Sent: the pieces
 * belong to the host until the next call on it that is not l4_host_tx. All headers are in the
 * first piece of a frame that the library sends. */
struct l4_frame {
	const struct l4_piece *pieces;
	uint32_t n_pieces;
	uint32_t len; /* bytes in all pieces */
	struct l4_offload off;
	l4_time time;      /* received: when it ARRIVED; sent: when it may leave (0: now) */
	struct l4_why why; /* sent: the decision that made this frame */
};

#define L4_FRAME_HEAD   160 /* bytes for headers in front of the payload */
#define L4_FRAME_PIECES 20

/* A frame with room for what the host fills in. */
struct l4_tx_frame {
	struct l4_frame f; /* f.pieces points to pieces */
	struct l4_piece pieces[L4_FRAME_PIECES];
	uint8_t head[L4_FRAME_HEAD];
};

enum l4_medium {
	L4_MEDIUM_ETHERNET, /* frames begin with an Ethernet header */
	L4_MEDIUM_IP,       /* frames begin with the IP header (TUN) */
};

/* What a device can do. */
struct l4_device_caps {
	enum l4_medium medium;
	uint32_t mtu;          /* bytes of an IP packet */
	struct l4_mac mac;     /* Ethernet: the device's own address, zero when it has none */
	bool tx_csum;          /* completes checksums (needs_csum) */
	bool tx_tso4, tx_tso6; /* splits TCP */
	bool tx_uso;           /* splits UDP */
	bool rx_csum;          /* says csum_valid or needs_csum truthfully */
	uint32_t gso_max;      /* bytes of the largest frame taken for splitting */
};

/* What devices on the system count. */
struct l4_device_stats {
	uint64_t rx_frames, rx_bytes, tx_frames, tx_bytes;
	uint64_t rx_dropped; /* by the kernel, for want of room */
	uint64_t tx_dropped; /* refused by the kernel for good */
};

struct l4_device;

struct l4_device_ops {
	const char *name;
	/* Up to max received frames; their bytes stay valid until the next rx or close. Returns
	 * their number, 0 when there are none now, or L4_E* when the device is gone. */
	int (*rx)(struct l4_device *d, struct l4_frame *out, size_t max, l4_time now);
	/* Sends frames in order; returns how many were taken (0: full now) or L4_E*. The bytes are
	 * copied or written before it returns. */
	int (*tx)(struct l4_device *d, const struct l4_frame *frames, size_t n, l4_time now);
	/* A descriptor to poll for reading, or -1 when there is none (simulated devices). */
	int (*wait_fd)(const struct l4_device *d);
	/* When the device wants to be called without being readable; L4_TIME_NEVER if not. */
	l4_time (*deadline)(const struct l4_device *d);
	void (*caps)(const struct l4_device *d, struct l4_device_caps *out);
	void (*close)(struct l4_device *d); /* frees the device; wrappers close what they wrap */
	/* Counters since it was opened; NULL when it keeps none. */
	void (*stats)(struct l4_device *d, struct l4_device_stats *out);
};

/* The head of every device; the device's own state follows it. */
struct l4_device {
	const struct l4_device_ops *ops;
	int saved_errno; /* of the last failure, for the message; 0 if none */
};

/* --- The edge: frames larger than the device can take --- */

/* State of splitting one frame. */
struct l4_gso {
	const struct l4_frame *frame;
	uint32_t done;    /* payload bytes already cut off */
	uint32_t hdr_len; /* bytes of headers, repeated before each part */
	uint32_t part;    /* parts made so far */
	uint32_t piece;   /* where the payload goes on: piece … */
	uint32_t at;      /* … and byte in it */
	uint16_t l3, l4;  /* offsets of the IP header and the TCP or UDP header */
	int error;        /* 0, or L4_EMALFORMED: the offload record does not fit the bytes */
};

/* Starts splitting a frame (or passing an unsplit one). frame is borrowed until the end. */
L4_EXPORT void l4_gso_begin(struct l4_gso *g, const struct l4_frame *frame);
/* Writes the next part, with lengths, ids, flags and checksums of its own (RFC 9293 3.1; IPv4 id
 * counts up), to buf of cap bytes. Copying and checksumming are one pass. Returns its length, 0
 * after the last part, L4_EMSGSIZE when cap is too small, or L4_EMALFORMED when headers and
 * offload record contradict each other (frames from elsewhere). */
L4_EXPORT int l4_gso_next(struct l4_gso *g, void *buf, size_t cap);
/* How many parts a frame will be split into: 1 when it is not a super-frame. */
L4_EXPORT uint32_t l4_gso_parts(const struct l4_frame *frame);

/* --- Joining received neighbours (GRO) --- */

/* Joins consecutive frames of one TCP flow that fit together: same addresses, ports, flags and
 * options, sequence numbers that follow, equal sizes but for the last, right checksums. in[] are
 * plain frames of one piece each; out[] gets at most n frames, whose pieces are taken from pool
 * (pool_n pieces, at least n) and point into the frames of in[]; the first header of each joined
 * frame is rewritten in place (its bytes must be writable). Joined frames carry csum_valid and a
 * GSO record; frames that join nothing are passed on as they are. Returns how many came out. */
L4_EXPORT size_t l4_gro_join(enum l4_medium medium, const struct l4_frame *in, size_t n,
    struct l4_frame *out, struct l4_piece *pool, size_t pool_n);

#ifdef __cplusplus
}
#endif
#endif
