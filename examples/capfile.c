/* Example of <layer4/capfile.h>: a pcapng file written into memory and read again. */
#include <layer4/capfile.h>
#include <layer4/err.h>

#include <stdio.h>
#include <string.h>

/* The "file". The library opens none: it takes and gives bytes through functions of ours. */
struct memory {
	unsigned char bytes[1024];
	size_t len, at;
};

static int put(void *ctx, const void *data, size_t n)
{
	struct memory *m = ctx;

	if (n > sizeof(m->bytes) - m->len)
		return L4_ELIMIT;
	memcpy(m->bytes + m->len, data, n);
	m->len += n;
	return 0;
}

static int64_t get(void *ctx, void *buf, size_t cap)
{
	struct memory *m = ctx;
	size_t n = m->len - m->at < cap ? m->len - m->at : cap;

	memcpy(buf, m->bytes + m->at, n);
	m->at += n;
	return (int64_t)n;
}

int main(void)
{
	static const char payload[] = "not much of a packet";
	static struct memory file;
	struct l4_capwr_packet out = { .ts = 1700000000 * L4_SEC,
		.data = payload,
		.caplen = sizeof(payload),
		.direction = L4_CAPWR_OUT,
		.comment = "first of one" };
	struct l4_cap_packet in;
	struct l4_capfile *reader;
	struct l4_capwr writer;
	int id, rc;

	if (l4_capwr_init(&writer, put, &file, "example") < 0)
		return 1;
	id = l4_capwr_interface(&writer, L4_LINK_RAW, 0, "tun0", NULL);
	if (id < 0)
		return 1;
	out.interface_id = (uint32_t)id;
	if (l4_capwr_packet(&writer, &out) < 0)
		return 1;

	reader = l4_capfile_new(get, &file);
	if (!reader)
		return 1;
	rc = l4_capfile_next(reader, &in);
	if (rc == 1)
		printf("packet %llu on %s: %u bytes, \"%.*s\"\n", (unsigned long long)in.number,
		    l4_capfile_interface(reader, in.interface_id)->name, (unsigned)in.caplen,
		    (int)in.comment_len, in.comment);
	if (rc != 1 || in.caplen != sizeof(payload) ||
	    memcmp(in.data, payload, sizeof(payload)) != 0 || in.ts != out.ts ||
	    l4_capfile_next(reader, &in) != 0) {
		l4_capfile_free(reader);
		return 1;
	}
	l4_capfile_free(reader);
	return 0;
}
