/* Sending at rates that single packets cannot reach.
 *
 * Each thread has the expression for itself, a socket for itself, and every n-th packet; what they
 * share, the interfaces and link addresses, does not change any more. The clock is read once a
 * batch. Below the limit of the machine packets leave in small bunches, as many as are due. */
#include "cli/flood.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/burst.h"
#include "cli/cli.h"
#include "cli/signals.h"

enum { THREADS = 16, BUNCH = 256 };

struct worker {
	pthread_t thread;
	struct packets *shared, own;
	struct burst *burst[WIRES_MAX];
	uint64_t next, step, total, unresolved;
	double rate; /* of this thread */
	int error;
	size_t large;
	struct wire *w;
	bool failed; /* message printed */
	atomic_bool *stop;
};

static bool put(struct worker *k, const struct packet_out *o)
{
	size_t i = (size_t)(o->w - k->own.s->wire);
	if (!k->burst[i])
		k->burst[i] = burst_open(o->w->ifindex, (size_t)o->w->mtu + 64);
	if (k->burst[i] && burst_put(k->burst[i], o->p, o->n) == 0)
		return true;
	k->error = errno;
	k->w = o->w;
	k->large = o->n;
	return false;
}

static bool flush(struct worker *k)
{
	for (size_t i = 0; i < WIRES_MAX; i++)
		if (k->burst[i] && burst_flush(k->burst[i]) < 0) {
			k->error = errno;
			k->w = &k->own.s->wire[i];
			return false;
		}
	return true;
}

/* How many packets may leave now; sleeps when it is none. */
static uint64_t due(const struct worker *k, l4_time start, uint64_t done)
{
	if (k->rate <= 0)
		return BUNCH;
	double at = (double)(wires_now() - start) / 1e9 * k->rate + 1;
	if (at >= (double)done + 1) {
		double n = at - (double)done;
		return n > BUNCH ? BUNCH : (uint64_t)n;
	}
	double wait = ((double)done + 1 - at) / k->rate * 1e9;
	if (wait < 50000)
		wait = 50000; /* a bunch */
	if (wait > 1e8)
		wait = 1e8; /* signals */
	struct timespec ts = { .tv_nsec = (long)wait };
	nanosleep(&ts, NULL);
	return 0;
}

static void *work(void *arg)
{
	struct worker *k = arg;
	struct packet_out o;
	l4_time start = wires_now();
	uint64_t done = 0;
	while (k->next < k->total && !atomic_load_explicit(k->stop, memory_order_relaxed) &&
	       !signals_stop()) {
		uint64_t n = due(k, start, done);
		for (; n && k->next < k->total; n--, done++, k->next += k->step) {
			enum packets_status s = packets_build(&k->own, k->next, &o);
			if (s == PACKETS_NO_MAC) {
				k->unresolved++;
				continue;
			}
			if (s == PACKETS_FAILED)
				k->failed = true;
			if (s == PACKETS_FAILED || !put(k, &o))
				goto out;
		}
		if (!flush(k))
			break;
	}
	flush(k);
out:
	if (k->error || k->failed)
		atomic_store(k->stop, true);
	return NULL;
}

static bool prepare(struct worker *k, struct packets *p)
{
	if (packets_open(&k->own, p->s, p->text, UINT64_MAX, p->seed) != L4_EXIT_DONE)
		return false;
	k->own.draw = p->draw;
	return true;
}

bool flood(
    struct packets *p, uint64_t total, double rate, unsigned threads, struct flood_result *out)
{
	struct worker *w = calloc(THREADS, sizeof *w);
	atomic_bool stop = false;
	bool ok = w != NULL;
	l4_time start = wires_now();
	unsigned n = threads < THREADS ? threads : THREADS, running = 0;
	memset(out, 0, sizeof *out);
	for (unsigned i = 0; ok && i < n; i++) {
		w[i].next = i;
		w[i].step = n;
		w[i].total = total;
		w[i].rate = rate / n;
		w[i].stop = &stop;
		ok = prepare(&w[i], p);
	}
	for (unsigned i = 1; ok && i < n; i++, running++)
		if (pthread_create(&w[i].thread, NULL, work, &w[i]))
			ok = false;
	if (!ok)
		atomic_store(&stop, true);
	else
		work(&w[0]);
	for (unsigned i = 1; i <= running; i++)
		pthread_join(w[i].thread, NULL);
	out->seconds = (double)(wires_now() - start) / 1e9;
	for (unsigned i = 0; w && i < n; i++) {
		for (size_t b = 0; b < WIRES_MAX; b++)
			if (w[i].burst[b]) {
				uint64_t bytes;
				out->sent += burst_sent(w[i].burst[b], &bytes);
				out->bytes += bytes;
				burst_close(w[i].burst[b]);
			}
		out->unresolved += w[i].unresolved;
		if (w[i].error) {
			out->error = w[i].error;
			out->large = w[i].large;
			out->w = w[i].w;
		}
		ok &= !w[i].failed;
		packets_close(&w[i].own);
	}
	free(w);
	return ok;
}
