/* An Ethernet switch: learns which port an address is behind, sends a frame there, and to all other
 * ports while it does not know or the frame is for a group.
 *
 * It has no delay, rate or queue of its own: those belong to the links plugged into it. The table
 * has SLOTS entries found by the address; a newer address takes the place of an older one, which
 * costs a flooded frame, nothing more. No spanning tree: the scenario must not make loops. */
#include "sim/switch.h"

#include <layer4/err.h>

#include <stdlib.h>
#include <string.h>

#define SLOTS 1024u
#define BATCH 32

struct learned {
	uint8_t mac[6];
	uint16_t port; /* + 1; 0: empty */
};

struct l4_switch {
	struct l4_device **port;
	size_t n;
	struct learned table[SLOTS];
};

struct l4_switch *l4_switch_new(void)
{
	return calloc(1, sizeof(struct l4_switch));
}

void l4_switch_free(struct l4_switch *w)
{
	if (!w)
		return;
	for (size_t i = 0; i < w->n; i++)
		w->port[i]->ops->close(w->port[i]);
	free(w->port);
	free(w);
}

int l4_switch_plug(struct l4_switch *w, struct l4_device *d)
{
	struct l4_device_caps caps;
	d->ops->caps(d, &caps);
	if (caps.medium != L4_MEDIUM_ETHERNET || w->n >= UINT16_MAX - 1)
		return L4_EINVAL;
	struct l4_device **p = realloc(w->port, (w->n + 1) * sizeof *p);
	if (!p)
		return L4_ENOMEM;
	w->port = p;
	w->port[w->n++] = d;
	return 0;
}

static struct learned *slot(struct l4_switch *w, const uint8_t *mac)
{
	uint32_t h = 2166136261u; /* FNV-1a */
	for (int i = 0; i < 6; i++)
		h = (h ^ mac[i]) * 16777619u;
	return &w->table[(h ^ h >> 16) % SLOTS];
}

static void forward(struct l4_switch *w, size_t from, const struct l4_frame *f, l4_time now)
{
	if (!f->n_pieces || f->pieces[0].len < 14)
		return; /* not even an Ethernet header */
	const uint8_t *p = f->pieces[0].data;
	if (!(p[6] & 1)) { /* a group is no source (IEEE 802.3 3.2.3) */
		struct learned *l = slot(w, p + 6);
		memcpy(l->mac, p + 6, 6);
		l->port = (uint16_t)(from + 1);
	}
	const struct learned *to = slot(w, p);
	struct l4_frame out = *f;
	out.time = 0; /* leaves now */
	if (!(p[0] & 1) && to->port && !memcmp(to->mac, p, 6)) {
		struct l4_device *d = w->port[to->port - 1];
		if (to->port - 1u != from)
			d->ops->tx(d, &out, 1, now);
		return;
	}
	for (size_t i = 0; i < w->n; i++)
		if (i != from)
			w->port[i]->ops->tx(w->port[i], &out, 1, now);
}

bool l4_switch_step(struct l4_switch *w, l4_time now)
{
	struct l4_frame f[BATCH];
	bool moved = false;
	for (size_t i = 0; i < w->n; i++) {
		struct l4_device *d = w->port[i];
		int got;
		while ((got = d->ops->rx(d, f, BATCH, now)) > 0) {
			moved = true;
			for (int k = 0; k < got; k++)
				forward(w, i, &f[k], now);
		}
	}
	return moved;
}

l4_time l4_switch_deadline(const struct l4_switch *w)
{
	l4_time t = L4_TIME_NEVER;
	for (size_t i = 0; i < w->n; i++) {
		l4_time d = w->port[i]->ops->deadline(w->port[i]);
		t = d < t ? d : t;
	}
	return t;
}
