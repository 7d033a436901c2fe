/* A loop for programs: hosts on devices of the system, the monotonic clock, ppoll(2).
 *
 * One turn: frames that hosts have to send go out; then wait for a descriptor, a deadline or the
 * caller's time, whichever is first; then frames in, timers, frames out. Batches bound what one
 * device can take of a turn, so that many are served alike.
 *
 * Back-pressure: frames are pulled from a host only while its device takes them. What a device
 * leaves of a batch is copied aside (a host's frames last only until the next call on it) and
 * offered first next time; nothing more is pulled until it is gone, so the host holds the queue
 * and can still decide what to send. */
#define _GNU_SOURCE /* ppoll */
#include <layer4/loop.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BATCH_RX 64
#define BATCH_TX 64
#define TURNS    32              /* batches to one device in one turn */
#define RETRY    (200 * L4_USEC) /* until a device without room is tried again */

/* A frame copied aside. */
struct held {
	struct l4_frame f;
	struct l4_piece piece;
};

struct slot {
	struct l4_host *h;
	struct l4_device *d;
	unsigned ifindex;
	struct held held[BATCH_TX];
	size_t n_held, held_at;
	l4_time retry; /* when to offer the held frames again */
};

struct watched {
	int fd;
	short events;
	void (*fn)(void *ctx, int fd, short revents);
	void *ctx;
};

struct l4_loop {
	struct slot **slots;
	size_t n_slots;
	struct watched *watched;
	size_t n_watched;
	struct pollfd *fds; /* slots, then watched */
	size_t cap_fds;
	struct l4_tx_frame tx[BATCH_TX];
};

int l4_loop_new(struct l4_loop **out)
{
	*out = calloc(1, sizeof **out);
	return *out ? 0 : L4_ENOMEM;
}

void l4_loop_free(struct l4_loop *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < l->n_slots; i++) {
		struct slot *s = l->slots[i];
		l4_host_rx_end(s->h); /* what it was lent goes with the device */
		for (size_t k = s->held_at; k < s->n_held; k++)
			free((void *)(uintptr_t)s->held[k].piece.data);
		s->d->ops->close(s->d);
		free(s);
	}
	free(l->slots);
	free(l->watched);
	free(l->fds);
	free(l);
}

l4_time l4_loop_now(const struct l4_loop *l)
{
	struct timespec t;
	(void)l;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (l4_time)t.tv_sec * L4_SEC + (l4_time)t.tv_nsec;
}

/* Room for one more descriptor. */
static bool grow_fds(struct l4_loop *l)
{
	size_t need = l->n_slots + l->n_watched + 1;
	if (need <= l->cap_fds)
		return true;
	struct pollfd *p = realloc(l->fds, 2 * need * sizeof *p);
	if (!p)
		return false;
	l->fds = p;
	l->cap_fds = 2 * need;
	return true;
}

int l4_loop_add(struct l4_loop *l, struct l4_host *h, unsigned ifindex, struct l4_device *d)
{
	struct slot **p = realloc(l->slots, (l->n_slots + 1) * sizeof *p);
	if (!p)
		return L4_ENOMEM;
	l->slots = p;
	struct slot *s = calloc(1, sizeof *s);
	if (!s || !grow_fds(l)) {
		free(s);
		return L4_ENOMEM;
	}
	s->h = h;
	s->d = d;
	s->ifindex = ifindex;
	s->retry = L4_TIME_NEVER;
	l->slots[l->n_slots++] = s;
	return 0;
}

int l4_loop_watch(struct l4_loop *l, int fd, short events,
    void (*fn)(void *ctx, int fd, short revents), void *ctx)
{
	size_t i = 0;
	while (i < l->n_watched && l->watched[i].fd != fd)
		i++;
	if (!events) {
		if (i == l->n_watched)
			return L4_ENOTFOUND;
		l->watched[i] = l->watched[--l->n_watched];
		return 0;
	}
	if (i == l->n_watched) {
		struct watched *p = realloc(l->watched, (i + 1) * sizeof *p);
		if (!p)
			return L4_ENOMEM;
		l->watched = p;
		if (!grow_fds(l))
			return L4_ENOMEM;
		l->n_watched++;
	}
	l->watched[i] = (struct watched){ fd, events, fn, ctx };
	return 0;
}

/* --- Frames --- */

/* One batch, lent to the host where it is: the caller's turn comes before its memory is used again,
 * so that who reads at once copies the bytes once, or not at all. */
static int rx(struct slot *s, l4_time now, bool *moved)
{
	struct l4_frame f[BATCH_RX];
	l4_host_rx_end(s->h);
	int n = s->d->ops->rx(s->d, f, BATCH_RX, now);
	if (n <= 0)
		return n;
	*moved = true;
	l4_host_rx_lend(s->h, s->ifindex, f, (size_t)n, now);
	return 0;
}

/* Copies a frame aside, its pieces joined and its offload record kept. */
static bool hold(struct held *h, const struct l4_frame *f)
{
	uint8_t *p = malloc(f->len ? f->len : 1);
	if (!p)
		return false;
	size_t at = 0;
	for (uint32_t i = 0; i < f->n_pieces; i++) {
		if (f->pieces[i].len)
			memcpy(p + at, f->pieces[i].data, f->pieces[i].len);
		at += f->pieces[i].len;
	}
	h->f = *f;
	h->piece = (struct l4_piece){ p, f->len };
	h->f.pieces = &h->piece;
	h->f.n_pieces = 1;
	return true;
}

/* Offers what is held. 1: nothing is left, 0: no room, or L4_E*. */
static int offer(struct slot *s, l4_time now)
{
	while (s->held_at < s->n_held) {
		int n = s->d->ops->tx(s->d, &s->held[s->held_at].f, 1, now);
		if (n <= 0) {
			s->retry = now + RETRY;
			return n;
		}
		free((void *)(uintptr_t)s->held[s->held_at++].piece.data);
	}
	s->n_held = s->held_at = 0;
	s->retry = L4_TIME_NEVER;
	return 1;
}

static int tx(struct l4_loop *l, struct slot *s, l4_time now, bool *moved)
{
	struct l4_frame f[BATCH_TX];
	int e = offer(s, now);
	for (int turn = 0; e > 0 && turn < TURNS; turn++) {
		size_t got = l4_host_tx(s->h, s->ifindex, l->tx, BATCH_TX, now);
		if (!got)
			return 0;
		*moved = true;
		for (size_t i = 0; i < got; i++)
			f[i] = l->tx[i].f;
		int took = s->d->ops->tx(s->d, f, got, now);
		if (took < 0)
			return took;
		if ((size_t)took == got)
			continue;
		for (size_t i = (size_t)took; i < got; i++)
			if (hold(&s->held[s->n_held], &f[i]))
				s->n_held++; /* else lost, as by a full queue */
		s->retry = now + RETRY;
		return 0;
	}
	return e < 0 ? e : 0;
}

/* Timers, then frames out, for all. */
static int work(struct l4_loop *l, l4_time now, bool *moved)
{
	for (size_t i = 0; i < l->n_slots; i++)
		if (l4_host_deadline(l->slots[i]->h) <= now) {
			l4_host_tick(l->slots[i]->h, now);
			*moved = true;
		}
	for (size_t i = 0; i < l->n_slots; i++) {
		int e = tx(l, l->slots[i], now, moved);
		if (e < 0)
			return e;
	}
	return 0;
}

static l4_time next_time(const struct l4_loop *l, l4_time until)
{
	for (size_t i = 0; i < l->n_slots; i++) {
		const struct slot *s = l->slots[i];
		l4_time t[3] = { l4_host_deadline(s->h), s->d->ops->deadline(s->d), s->retry };
		for (int k = 0; k < 3; k++)
			until = t[k] < until ? t[k] : until;
	}
	return until;
}

static int wait_fds(struct l4_loop *l, l4_time now, l4_time until)
{
	for (size_t i = 0; i < l->n_slots; i++) {
		const struct slot *s = l->slots[i];
		l->fds[i] = (struct pollfd){ .fd = s->d->ops->wait_fd(s->d), .events = POLLIN };
		/* ENOBUFS is a full queue behind a descriptor that says it can be written to. */
		if (s->n_held && s->d->saved_errno != ENOBUFS)
			l->fds[i].events |= POLLOUT;
	}
	for (size_t i = 0; i < l->n_watched; i++)
		l->fds[l->n_slots + i] =
		    (struct pollfd){ .fd = l->watched[i].fd, .events = l->watched[i].events };
	l4_time wait = until > now ? until - now : 0;
	struct timespec t = { .tv_sec = (time_t)(wait / L4_SEC), .tv_nsec = (long)(wait % L4_SEC) };
	int n = ppoll(l->fds, l->n_slots + l->n_watched, until == L4_TIME_NEVER ? NULL : &t, NULL);
	if (n < 0)
		return errno == EINTR ? L4_EAGAIN : L4_ESYS;
	return n;
}

static void call_watched(struct l4_loop *l, size_t first, size_t n)
{
	/* Callbacks may change the list: take what happened from the descriptors polled and look
	 * each up again. */
	for (size_t i = 0; i < n; i++) {
		struct pollfd p = l->fds[first + i];
		if (!p.revents)
			continue;
		for (size_t k = 0; k < l->n_watched; k++)
			if (l->watched[k].fd == p.fd) {
				struct watched w = l->watched[k];
				w.fn(w.ctx, p.fd, p.revents);
				break;
			}
	}
}

int l4_loop_once(struct l4_loop *l, l4_time until)
{
	bool moved = false;
	l4_time now = l4_loop_now(l);
	int e = work(l, now, &moved);
	if (e < 0)
		return e;
	/* What moved may have made events: do not sleep on them. */
	size_t n_slots = l->n_slots, n_watched = l->n_watched;
	int ready = wait_fds(l, now, moved ? now : next_time(l, until));
	if (ready < 0)
		return ready;
	now = l4_loop_now(l);
	for (size_t i = 0; i < l->n_slots; i++) {
		struct slot *s = l->slots[i];
		if (!l->fds[i].revents && l->fds[i].fd >= 0 && s->d->ops->deadline(s->d) > now)
			continue;
		e = rx(s, now, &moved);
		if (e < 0)
			return e;
	}
	e = work(l, now, &moved);
	if (e < 0)
		return e;
	call_watched(l, n_slots, n_watched);
	return 0;
}
