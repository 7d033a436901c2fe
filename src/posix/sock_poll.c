/* Sockets as Linux has them: poll and epoll.
 *
 * Readiness is asked of the endpoint at each call (level). Edge-triggered watches are reported once
 * for each happening: an event of the host marks the watches of its socket as ready, in order, and
 * reporting clears the mark. */
#include "posix/sock_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RDHUP 0x2000u

static uint32_t tcp_readiness(struct l4_socks *s, struct l4_sock *k)
{
	int64_t bits = l4_tcp_ready(s->host, k->ep);
	int state = l4_tcp_state(s->host, k->ep);
	uint32_t r = 0;
	if (state == L4_TCP_LISTEN)
		return bits > 0 && bits & L4_EV_ACCEPT ? EPOLLIN | EPOLLRDNORM : 0;
	if (bits < 0)
		bits = 0;
	l4_sock_zc_update(s, k);
	bool closed = state == L4_TCP_CLOSED || state < 0;
	bool fresh = closed && !k->connected && !k->connecting;
	bool over = closed && !fresh;
	bool error = (bits & L4_EV_ERROR) && !k->err_taken;
	bool eof = bits & L4_EV_EOF || k->shut_rd || over;
	bool opening = state == L4_TCP_SYN_SENT || state == L4_TCP_SYN_RECEIVED;
	/* a deferred Fast Open connect is writable and not hung up */
	if (k->fo_deferred && state == L4_TCP_SYN_SENT)
		return EPOLLOUT | EPOLLWRNORM;
	if (closed || (eof && (k->shut_wr || over)))
		r |= EPOLLHUP;
	if (eof && !opening && !fresh)
		r |= EPOLLIN | EPOLLRDNORM | RDHUP;
	if (!opening || (state == L4_TCP_SYN_RECEIVED && bits & L4_EV_READABLE)) {
		if (bits & L4_EV_READABLE)
			r |= EPOLLIN | EPOLLRDNORM;
		if (k->shut_wr || closed || bits & L4_EV_WRITABLE)
			r |= EPOLLOUT | EPOLLWRNORM;
		if (bits & L4_EV_URGENT)
			r |= EPOLLPRI;
	}
	if (error || k->notes_n)
		r |= EPOLLERR;
	return r;
}

uint32_t l4_sock_readiness(struct l4_socks *s, struct l4_sock *k)
{
	switch (k->kind) {
	case L4_SK_TCP:
		return tcp_readiness(s, k);
	case L4_SK_UDP: {
		int64_t bits = l4_udp_ready(s->host, k->ep);
		uint32_t r = 0;
		if (bits > 0 && bits & L4_EV_READABLE)
			r |= EPOLLIN | EPOLLRDNORM;
		if (bits > 0 && bits & L4_EV_WRITABLE)
			r |= EPOLLOUT | EPOLLWRNORM;
		if (bits > 0 && bits & L4_EV_ERROR)
			r |= EPOLLERR;
		if (k->shut_rd)
			r |= EPOLLIN | EPOLLRDNORM | RDHUP;
		return r;
	}
	case L4_SK_PIPE_READ:
		return (k->pipe->len ? EPOLLIN | EPOLLRDNORM : 0) |
		       (k->pipe->writer ? 0 : EPOLLHUP);
	case L4_SK_PIPE_WRITE:
		return (k->pipe->len < L4_SK_PIPE_SIZE ? EPOLLOUT | EPOLLWRNORM : 0) |
		       (k->pipe->reader ? 0 : EPOLLERR);
	case L4_SK_FILE:
		return EPOLLIN | EPOLLOUT | EPOLLRDNORM | EPOLLWRNORM;
	case L4_SK_EPOLL:
	case L4_SK_FREE:
		break;
	}
	return 0;
}

/* Not before its time is over: a poll that found nothing waits. */
static bool wait_timeout(struct l4_call *c, l4_time now)
{
	if (c->a == 0)
		return l4_call_end(c, 0);
	if (c->a > 0 && !c->has_deadline) {
		c->has_deadline = true;
		c->deadline = now + (l4_time)c->a * L4_MSEC;
	}
	if (c->has_deadline && now >= c->deadline)
		return l4_call_end(c, 0);
	return false;
}

bool l4_call_poll(struct l4_socks *s, struct l4_call *c, l4_time now)
{
	int64_t found = 0;
	if (!c->fds && c->n)
		return l4_call_end(c, -EFAULT);
	for (size_t i = 0; i < c->n; i++) {
		struct pollfd *p = &c->fds[i];
		p->revents = 0;
		if (p->fd < 0)
			continue;
		struct l4_sock *k = l4_sock_get(s, p->fd);
		uint32_t ready = k ? l4_sock_readiness(s, k) : POLLNVAL;
		uint32_t want = (uint32_t)(uint16_t)p->events | POLLERR | POLLHUP | POLLNVAL;
		p->revents = (short)(ready & want);
		found += p->revents != 0;
	}
	return found ? l4_call_end(c, found) : wait_timeout(c, now);
}

/* ---- epoll ---- */

void l4_sock_wake(struct l4_socks *s, const struct l4_sock *k)
{
	for (size_t i = 0; i < s->n; i++) {
		struct l4_sock *e = s->table[i];
		for (size_t w = 0; e && e->kind == L4_SK_EPOLL && w < e->epoll.n; w++)
			if (e->epoll.watches[w].id == k->id && !e->epoll.watches[w].ready)
				e->epoll.watches[w].ready = ++s->next_ready;
	}
}

static struct l4_sk_watch *find_watch(struct l4_sk_epoll *e, int fd, uint64_t id)
{
	for (size_t i = 0; i < e->n; i++)
		if (e->watches[i].fd == fd && e->watches[i].id == id)
			return &e->watches[i];
	return NULL;
}

bool l4_call_epoll_ctl(struct l4_socks *s, struct l4_sock *k, struct l4_call *c)
{
	struct l4_sock *target = l4_sock_get(s, c->b);
	if (!target)
		return l4_call_end(c, -EBADF);
	if (k->kind != L4_SK_EPOLL || target == k)
		return l4_call_end(c, -EINVAL);
	if (target->kind == L4_SK_FILE)
		return l4_call_end(c, -EPERM);
	if (c->a != EPOLL_CTL_DEL && !c->ev)
		return l4_call_end(c, -EFAULT);
	struct l4_sk_epoll *e = &k->epoll;
	struct l4_sk_watch *w = find_watch(e, c->b, target->id);
	if (c->a == EPOLL_CTL_DEL) {
		if (!w)
			return l4_call_end(c, -ENOENT);
		size_t at = (size_t)(w - e->watches);
		memmove(w, w + 1, (e->n - at - 1) * sizeof(*w));
		e->n--;
		return l4_call_end(c, 0);
	}
	if (c->a != EPOLL_CTL_ADD && c->a != EPOLL_CTL_MOD)
		return l4_call_end(c, -EINVAL);
	if (c->a == EPOLL_CTL_MOD && !w)
		return l4_call_end(c, -ENOENT);
	if (c->a == EPOLL_CTL_ADD) {
		if (w)
			return l4_call_end(c, -EEXIST);
		if (e->n == e->cap) {
			size_t cap = e->cap ? e->cap * 2 : 8;
			struct l4_sk_watch *grown = realloc(e->watches, cap * sizeof(*grown));
			if (!grown)
				return l4_call_end(c, -ENOMEM);
			e->watches = grown;
			e->cap = cap;
		}
		w = &e->watches[e->n++];
		*w = (struct l4_sk_watch){ .fd = c->b, .id = target->id };
	}
	w->events = c->ev->events | EPOLLERR | EPOLLHUP;
	w->data = c->ev->data;
	w->disabled = false;
	w->ready = l4_sock_readiness(s, target) & w->events ? ++s->next_ready : 0;
	return l4_call_end(c, 0);
}

/* The bits to report of one watch now, 0 for none. */
static uint32_t watch_bits(struct l4_socks *s, const struct l4_sk_watch *w)
{
	struct l4_sock *k = l4_sock_get(s, w->fd);
	if (!k || k->id != w->id || w->disabled || (w->events & EPOLLET && !w->ready))
		return 0;
	return l4_sock_readiness(s, k) & w->events & ~(uint32_t)(EPOLLET | EPOLLONESHOT);
}

bool l4_call_epoll_wait(struct l4_socks *s, struct l4_sock *k, struct l4_call *c, l4_time now)
{
	if (k->kind != L4_SK_EPOLL || !c->n)
		return l4_call_end(c, -EINVAL);
	if (!c->ev)
		return l4_call_end(c, -EFAULT);
	struct l4_sk_epoll *e = &k->epoll;
	/* level-triggered watches that no event has marked get their place in the order now */
	for (size_t i = 0; i < e->n; i++)
		if (!(e->watches[i].events & EPOLLET) && !e->watches[i].ready &&
		    watch_bits(s, &e->watches[i]))
			e->watches[i].ready = ++s->next_ready;
	size_t found = 0;
	uint64_t limit = s->next_ready;
	while (found < c->n) {
		struct l4_sk_watch *first = NULL;
		for (size_t i = 0; i < e->n; i++) {
			struct l4_sk_watch *w = &e->watches[i];
			if (w->ready && w->ready <= limit && (!first || w->ready < first->ready))
				first = w;
		}
		if (!first)
			break;
		uint32_t bits = watch_bits(s, first);
		first->ready = 0;
		if (!bits)
			continue;
		memset(&c->ev[found], 0, sizeof(c->ev[found]));
		c->ev[found].events = bits;
		c->ev[found++].data = first->data;
		if (first->events & EPOLLONESHOT)
			first->disabled = true;
		else if (!(first->events & EPOLLET))
			first->ready = ++s->next_ready; /* still in the list, at its end */
	}
	return found ? l4_call_end(c, (int64_t)found) : wait_timeout(c, now);
}
