/* Writes pcapng (draft-ietf-opsawg-pcapng), block by block, in the machine's own byte order.
 *
 * Each block goes out in at most four pieces through the caller's function: a fixed head, the
 * packet, its options, the closing length. There is no buffer here: a caller with small packets
 * gives a `write` that buffers (stdio does). */
#include <layer4/capfile.h>

#include <layer4/err.h>

#include <string.h>

enum {
	BLOCK_SHB = 0x0a0d0d0a,
	BLOCK_IDB = 1,
	BLOCK_ISB = 5,
	BLOCK_EPB = 6,
	OPT_END = 0,
	OPT_COMMENT = 1,
	OPT_SHB_USERAPPL = 4,
	OPT_IF_NAME = 2,
	OPT_IF_DESCRIPTION = 3,
	OPT_IF_TSRESOL = 9,
	OPT_EPB_FLAGS = 2,
	OPT_ISB_IFRECV = 4,
	OPT_ISB_IFDROP = 5,
};

static const uint8_t zeros[4];

static int put(struct l4_capwr *w, const void *data, size_t n)
{
	if (!w->error && n)
		w->error = w->write(w->ctx, data, n);
	return w->error;
}

static uint32_t padded(uint32_t n)
{
	return (n + 3) & ~(uint32_t)3;
}

/* Length that an option of n bytes takes in a block; none when it is absent. */
static uint32_t option_size(const char *s, uint32_t n)
{
	return s ? 4 + padded(n) : 0;
}

static void put_option(struct l4_capwr *w, uint16_t code, const void *value, uint32_t n)
{
	if (!value)
		return;
	uint16_t head[2] = { code, (uint16_t)n };
	put(w, head, sizeof head);
	put(w, value, n);
	put(w, zeros, padded(n) - n);
}

static void put_end(struct l4_capwr *w, uint32_t total)
{
	put(w, zeros, 4); /* opt_endofopt */
	put(w, &total, 4);
}

static uint32_t text_len(const char *s)
{
	size_t n = s ? strlen(s) : 0;
	return (uint32_t)(n > 65535 ? 65535 : n);
}

int l4_capwr_init(struct l4_capwr *w, l4_capwr_fn *write, void *ctx, const char *application)
{
	*w = (struct l4_capwr){ .write = write, .ctx = ctx };
	uint32_t n = text_len(application);
	uint32_t total = 28 + option_size(application, n) + 4;
	uint32_t head[6] = { BLOCK_SHB, total, 0x1a2b3c4d, 0, 0xffffffff, 0xffffffff };
	uint16_t version[2] = { 1, 0 };
	memcpy(&head[3], version, sizeof version);
	put(w, head, sizeof head);
	put_option(w, OPT_SHB_USERAPPL, application, n);
	put_end(w, total);
	return w->error;
}

int l4_capwr_interface(struct l4_capwr *w, uint16_t linktype, uint32_t snaplen, const char *name,
    const char *description)
{
	uint32_t nn = text_len(name), nd = text_len(description);
	uint32_t total = 20 + option_size(name, nn) + option_size(description, nd) + 8 + 4;
	uint32_t head[4] = { BLOCK_IDB, total, 0, snaplen };
	memcpy(&head[2], &linktype, sizeof linktype);
	static const uint8_t tsresol = 9;
	put(w, head, sizeof head);
	put_option(w, OPT_IF_NAME, name, nn);
	put_option(w, OPT_IF_DESCRIPTION, description, nd);
	put_option(w, OPT_IF_TSRESOL, &tsresol, 1);
	put_end(w, total);
	return w->error ? w->error : (int)w->interfaces++;
}

int l4_capwr_packet(struct l4_capwr *w, const struct l4_capwr_packet *p)
{
	if (p->interface_id >= w->interfaces)
		return L4_EINVAL;
	uint32_t nc = text_len(p->comment);
	uint32_t flags = (uint32_t)p->direction;
	uint32_t options = option_size(p->comment, nc) + (flags ? 8 : 0);
	uint32_t total = 32 + padded(p->caplen) + (options ? options + 4 : 0);
	uint32_t head[7] = { BLOCK_EPB, total, p->interface_id, (uint32_t)(p->ts >> 32),
		(uint32_t)p->ts, p->caplen, p->len ? p->len : p->caplen };
	put(w, head, sizeof head);
	put(w, p->data, p->caplen);
	put(w, zeros, padded(p->caplen) - p->caplen);
	put_option(w, OPT_COMMENT, p->comment, nc);
	if (flags)
		put_option(w, OPT_EPB_FLAGS, &flags, 4);
	if (options)
		put(w, zeros, 4);
	put(w, &total, 4);
	return w->error;
}

int l4_capwr_stats(
    struct l4_capwr *w, uint32_t interface_id, l4_time ts, uint64_t received, uint64_t dropped)
{
	if (interface_id >= w->interfaces)
		return L4_EINVAL;
	uint32_t total = 24 + 12 + 12 + 4;
	uint32_t head[5] = { BLOCK_ISB, total, interface_id, (uint32_t)(ts >> 32), (uint32_t)ts };
	put(w, head, sizeof head);
	put_option(w, OPT_ISB_IFRECV, &received, 8);
	put_option(w, OPT_ISB_IFDROP, &dropped, 8);
	put_end(w, total);
	return w->error;
}
