/* Fuzzes each dissector by itself: entered directly, or fed by segments of a TCP connection, so
 * that no header in front has to be right first. The input's form is in dissector.h.
 *
 * With L4_FUZZ_PROTO=NAME all inputs are of that protocol: what the fuzzer changes is what follows
 * the name. `tools/fuzz dissector.NAME` runs it so, `tools/fuzz dissectors` each one in turn. */
#include "dissector.h"

#include <layer4/capfile.h>

#include <stdlib.h>
#include <string.h>

#include "dissect/engine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The protocol by name; an input without a known one still goes somewhere. */
static unsigned which(const uint8_t **data, size_t *size)
{
	for (unsigned i = 0; i < PROTO_COUNT; i++) {
		const char *name = dissector_names[i];
		size_t n = strlen(name);
		if (*size > n && !memcmp(*data, name, n) && (*data)[n] == '\n') {
			*data += n + 1;
			*size -= n + 1;
			return i;
		}
	}
	return *size ? **data % PROTO_COUNT : 0;
}

static uint16_t port_of(unsigned id, const char *table)
{
	for (const struct l4_binding *b = l4_proto_at(id)->bindings; b && b->table; b++)
		if (!strcmp(b->table, table))
			return (uint16_t)b->key;
	return 0;
}

struct run {
	struct l4_dissect *d;
	unsigned id, how;
	uint64_t number;
	uint32_t seq[2];
	uint16_t port; /* the server's */
};

static void look(const struct l4_dissected *p)
{
	char text[256];
	for (uint32_t i = 0; i < p->n_items; i++) {
		const struct l4_item *it = &p->items[i];
		(void)l4_item_text(it, text, sizeof text);
		if (it->layer >= p->n_layers && p->n_layers)
			__builtin_trap();
	}
}

static void record(struct run *r, const uint8_t *b, uint32_t n, uint32_t beyond, bool back)
{
	static const uint8_t a[16] = { 10, 0, 0, 1 }, e[16] = { 10, 0, 0, 2 };
	static uint8_t frame[40 + DF_LENGTH];
	struct l4_cap_packet c = { .data = b,
		.caplen = n,
		.len = n + beyond,
		.has_ts = true,
		.ts = (r->number + 1) * 1000000,
		.number = r->number + 1,
		.linktype = L4_LINK_IPV4,
		.fcs_len = -1 };
	r->number++;
	if (!(r->how & DF_STREAM)) {
		struct l4_dissect_start s = { .id = (enum l4_proto_id)r->id,
			.kind = r->how & DF_IP6 ? L4_AK_IP6 : L4_AK_IP4,
			.src = back ? e : a,
			.dst = back ? a : e,
			.sport = back ? r->port : 40000,
			.dport = back ? 40000 : r->port,
			.ip_proto = 17 };
		look(l4_dissect_from(r->d, &c, &s));
		return;
	}
	memset(frame, 0, 40);
	frame[0] = 0x45;
	l4_put_u16(frame + 2, (uint16_t)(40 + n));
	frame[9] = 6;
	memcpy(frame + 12, back ? e : a, 4);
	memcpy(frame + 16, back ? a : e, 4);
	l4_put_u16(frame + 20, back ? r->port : 40000);
	l4_put_u16(frame + 22, back ? 40000 : r->port);
	l4_put_u32(frame + 24, r->seq[back]);
	l4_put_u32(frame + 28, r->seq[!back]);
	frame[32] = 0x50;
	frame[33] = 0x18;
	memcpy(frame + 40, b, n);
	/* beyond 3 and a multiple of 4: bytes that came before, or a hole */
	r->seq[back] += n + (beyond % 64 == 48 ? 7 : 0);
	c.data = frame;
	c.caplen = c.len = 40 + n;
	look(l4_dissect_packet(r->d, &c));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct run r = { .id = which(&data, &size), .seq = { 1, 1 } };
	if (size < 1)
		return 0;
	r.how = data[0];
	const char *table = r.how & DF_STREAM ? "tcp.port" : "udp.port";
	r.port = r.how & DF_NO_PORT ? 40001 : port_of(r.id, table);
	if (!r.port)
		r.port = 40001;
	struct l4_dissect_config cfg = { .fragments_kib_max = 256,
		.streams_kib_max = 256,
		.connections_max = 64,
		.check_checksums = r.how & DF_SUMS };
	r.d = l4_dissect_new(&cfg);
	if (!r.d)
		__builtin_trap();
	l4_dissect_want_all(r.d);
	l4_dissect_want_columns(r.d);
	l4_dissect_want_connections(r.d);
	for (size_t at = 1; at + 2 <= size;) {
		unsigned head = (unsigned)data[at] | (unsigned)data[at + 1] << 8;
		uint32_t n = head & DF_LENGTH;
		at += 2;
		if (n > size - at)
			n = (uint32_t)(size - at);
		/* each in a block of its own size, so that one byte too far is seen */
		uint8_t *b = malloc(n ? n : 1);
		if (!b)
			__builtin_trap();
		memcpy(b, data + at, n);
		record(&r, b, n, (head >> 12) * 16, head & DF_BACK);
		free(b);
		at += n;
	}
	l4_dissect_free(r.d);
	return 0;
}

#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
	(void)seed;
	const char *name = getenv("L4_FUZZ_PROTO");
	size_t n = name ? strlen(name) + 1 : 0;
	if (!name || n + 8 > max)
		return LLVMFuzzerMutate(data, size, max);
	bool named = size >= n && !memcmp(data, name, n - 1) && data[n - 1] == '\n';
	size_t have = named ? size - n : 0;
	if (!named) {
		memcpy(data, name, n - 1);
		data[n - 1] = '\n';
	}
	return n + LLVMFuzzerMutate(data + n, have, max - n);
}
#endif
