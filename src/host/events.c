/* The event queue: which endpoints have something to tell.
 *
 * What happened is kept by the endpoint itself and collected when the event is taken; the queue
 * holds only who. A mark for each index keeps an endpoint from standing in it twice; it carries the
 * generation, so that an endpoint that was closed and its successor are not confused. */
#include "host/host.h"

#define QUEUED 0x80000000u

static unsigned kind_of(l4_ep ep)
{
	return L4_EP_KIND(ep) == L4_EP_UDP ? 1 : 0;
}

static int grow_marks(struct l4_host *h, struct l4_event_marks *m, uint32_t index)
{
	if (index < m->cap)
		return L4_OK;
	uint32_t cap = m->cap ? m->cap : 64;
	while (cap <= index)
		cap *= 2;
	uint32_t *gen = l4_mem_grow(&h->mem, m->gen, m->cap * sizeof(*gen), cap * sizeof(*gen));
	if (!gen)
		return L4_ENOMEM;
	m->gen = gen;
	m->cap = cap;
	return L4_OK;
}

static int grow_ring(struct l4_host *h, uint32_t want)
{
	struct l4_event_queue *q = &h->ev;
	if (want <= q->cap)
		return L4_OK;
	uint64_t *ring = l4_mem_alloc(&h->mem, want * sizeof(*ring));
	if (!ring)
		return L4_ENOMEM;
	for (uint32_t i = 0; i < q->n; i++)
		ring[i] = q->ring[(q->head + i) % q->cap];
	l4_mem_free(&h->mem, q->ring, q->cap * sizeof(*ring));
	q->ring = ring;
	q->cap = want;
	q->head = 0;
	return L4_OK;
}

int l4_events_reserve(struct l4_host *h, l4_ep ep)
{
	struct l4_event_queue *q = &h->ev;
	int rc = grow_marks(h, &q->marks[kind_of(ep)], (uint32_t)ep);
	return rc < 0 ? rc : grow_ring(h, q->marks[0].cap + q->marks[1].cap);
}

static L4_WITHIN void push(struct l4_host *h, l4_ep ep, unsigned kind)
{
	struct l4_event_queue *q = &h->ev;
	uint32_t index = (uint32_t)ep, gen = (uint32_t)(ep >> 32) & 0xffffff;
	/* An endpoint that the user does not hold yet (not accepted) has no place reserved. */
	if (index >= q->marks[kind].cap && l4_events_reserve(h, ep) < 0)
		return;
	uint32_t *mark = &q->marks[kind].gen[index], was = *mark;
	*mark = QUEUED | gen;
	if (was & QUEUED)
		return;
	uint32_t at = q->head + q->n++;
	q->ring[at < q->cap ? at : at - q->cap] = (uint64_t)kind << 32 | index;
}

void l4_events_push_tcp(void *host, l4_ep ep)
{
	push(host, ep, 0);
}

void l4_events_push_udp(void *host, l4_ep ep)
{
	push(host, ep, 1);
}

static bool pop(struct l4_host *h, l4_ep *ep)
{
	struct l4_event_queue *q = &h->ev;
	if (!q->n)
		return false;
	uint64_t e = q->ring[q->head];
	if (++q->head == q->cap)
		q->head = 0;
	q->n--;
	unsigned kind = (unsigned)(e >> 32);
	uint32_t *mark = &q->marks[kind].gen[(uint32_t)e];
	uint64_t gen = *mark & 0xffffff;
	*mark = 0;
	*ep = (l4_ep)((uint64_t)(kind ? L4_EP_UDP : L4_EP_TCP) | gen << 32 | (uint32_t)e);
	return true;
}

static bool address_event(struct l4_host *h, struct l4_event *e)
{
	for (unsigned i = 1; i <= h->ip.n_ifs; i++) {
		struct l4_if *ifp = h->ip.ifs[i];
		if (!ifp->address_event)
			continue;
		ifp->address_event = false;
		*e = (struct l4_event){ .bits = L4_EV_ADDRESS, .token = i };
		return true;
	}
	h->ip.address_event = false;
	return false;
}

size_t l4_host_events(struct l4_host *h, struct l4_event *out, size_t max)
{
	size_t n = 0;
	l4_ep ep;
	while (n < max && h->ip.address_event && address_event(h, &out[n]))
		n++;
	while (n < max && pop(h, &ep)) {
		bool told = L4_EP_KIND(ep) == L4_EP_UDP ? l4_udps_event(h->udp, ep, &out[n])
							: l4_tcps_event(h->tcp, ep, &out[n]);
		if (told && out[n].bits)
			n++;
	}
	return n;
}

void l4_events_fini(struct l4_host *h)
{
	struct l4_event_queue *q = &h->ev;
	l4_mem_free(&h->mem, q->ring, q->cap * sizeof(*q->ring));
	for (unsigned k = 0; k < 2; k++)
		l4_mem_free(&h->mem, q->marks[k].gen, q->marks[k].cap * sizeof(*q->marks[k].gen));
}
