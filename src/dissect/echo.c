/* Echo requests and the replies to them, for ICMP and ICMPv6: which packet a reply answers, and how
 * long it took (RFC 792 and RFC 4443: a reply has the request's identifier, sequence number and
 * data; so its checksum is the request's but for the type). A request is answered once.
 *
 * A table of ECHOES requests; a request takes the place of the oldest of the four where its hash
 * leads, so that a flood of them costs nothing but old ones. */
#include <stdlib.h>

#include "dissect/conv.h"
#include "dissect/engine.h"

enum { ECHOES = 1024, PROBES = 4 };

struct request {
	uint8_t from[16], to[16];
	uint64_t number; /* the reply's checksum, identifier and sequence number */
	uint32_t frame;  /* 0: free */
	l4_time ts;
	uint8_t kind; /* of the addresses */
	bool answered;
};

struct l4_echo_table {
	struct request r[ECHOES];
};

static unsigned slot_of(const struct l4_dissect *d, const struct request *r)
{
	uint64_t h = d->cfg.hash_seed ^ r->number;
	for (unsigned i = 0; i < 16; i++)
		h = (h ^ r->from[i] ^ (uint64_t)r->to[i] << 8) * 0x9e3779b97f4a7c15u;
	return (unsigned)(h >> 40);
}

static bool fill(const struct l4_dissect *d, struct request *r, uint64_t number, bool reply)
{
	const struct l4_net *from = reply ? &d->net_dst : &d->net_src;
	const struct l4_net *to = reply ? &d->net_src : &d->net_dst;
	uint32_t n = from->kind == L4_AK_IP4 ? 4 : from->kind == L4_AK_IP6 ? 16 : 0;
	if (!n || to->kind != from->kind)
		return false;
	*r = (struct request){ .number = number,
		.frame = (uint32_t)d->out.cap->number,
		.ts = d->out.cap->ts,
		.kind = (uint8_t)from->kind };
	memcpy(r->from, from->p, n);
	memcpy(r->to, to->p, n);
	return true;
}

static bool same(const struct request *a, const struct request *b)
{
	return a->number == b->number && a->kind == b->kind && !memcmp(a->from, b->from, 16) &&
	       !memcmp(a->to, b->to, 16);
}

static void request(struct l4_dissect *d, uint64_t number)
{
	struct request r;
	if (d->quoted || !fill(d, &r, number, false))
		return;
	if (!d->echoes && !(d->echoes = calloc(1, sizeof *d->echoes)))
		return;
	unsigned first = slot_of(d, &r);
	struct request *take = &d->echoes->r[first % ECHOES];
	for (unsigned k = 0; k < PROBES; k++) {
		struct request *e = &d->echoes->r[(first + k) % ECHOES];
		if (e->frame && same(e, &r)) {
			take = e;
			break;
		}
		if (e->frame < take->frame)
			take = e;
	}
	*take = r;
}

static uint32_t answered(const struct l4_dissect *d, uint64_t number, l4_time *took)
{
	struct request r;
	if (d->quoted || !d->echoes || !fill(d, &r, number, true))
		return 0;
	unsigned first = slot_of(d, &r);
	for (unsigned k = 0; k < PROBES; k++) {
		struct request *e = &d->echoes->r[(first + k) % ECHOES];
		if (e->frame && same(e, &r)) {
			if (e->answered)
				return 0;
			e->answered = true;
			*took = d->out.cap->ts - e->ts;
			return e->frame;
		}
	}
	return 0;
}

/* What a request and its reply have in common. */
static uint64_t number_of(const uint8_t *h, bool reply)
{
	uint32_t sum = l4_get_u16(h + 2);
	if (!reply) {
		/* RFC 1624 3: HC' = ~(~HC + ~m + m'), m the first word's type */
		bool six = h[0] == 128;
		sum = (~sum & 0xffff) + (six ? 0x7fffu + 0x8100u : 0xf7ffu);
		sum = (sum & 0xffff) + (sum >> 16);
		sum = (sum & 0xffff) + (sum >> 16);
		sum = ~sum & 0xffff;
	}
	return (uint64_t)(sum ? sum : 0xffff) << 32 | l4_get_u32(h + 4);
}

void l4_echo_put(struct l4_dissect *d, struct l4_view v, bool reply, unsigned to, unsigned time)
{
	uint64_t number = number_of(v.p, reply);
	l4_time took = 0;
	if (!d->w_any)
		return;
	if (!reply) {
		request(d, number);
		return;
	}
	uint32_t frame = answered(d, number, &took);
	if (!frame)
		return;
	dis_u(d, to, NULL, 0, frame);
	struct l4_item *i = dis_u(d, time, NULL, 0, 0);
	if (i)
		i->v.d = (double)(int64_t)took / 1e6;
}

void l4_echoes_free(struct l4_echo_table *t)
{
	free(t);
}
