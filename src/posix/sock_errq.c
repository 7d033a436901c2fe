/* Sockets as Linux has them: the error queue, which tells of sends.
 *
 * A send with MSG_ZEROCOPY is told of when its bytes are acknowledged. With SO_TIMESTAMPING the
 * last byte of every send is told of three times, with the moment: when it went to the device's
 * queue, when it left, which are one moment here, and when it was acknowledged. What is due is
 * looked for after every movement of the host, so that moments are exact. The segment itself, which
 * Linux hands back too, is not kept: its place is cut off (MSG_TRUNC). */
#include "posix/sock_private.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <string.h>

#define TX_SOFTWARE (1 << 1)
#define SOFTWARE    (1 << 4)
#define OPT_ID      (1 << 7)
#define TX_SCHED    (1 << 8)
#define TX_ACK      (1 << 9)
#define OPT_TSONLY  (1 << 11)

/* Bytes of the stream that the peer has acknowledged. */
static uint64_t acked(const struct l4_socks *s, const struct l4_sock *k)
{
	int64_t outq = l4_tcp_outq(s->host, k->ep);
	return outq < 0 ? UINT64_MAX : k->written - (uint64_t)outq;
}

static uint64_t sent(const struct l4_socks *s, const struct l4_sock *k, l4_time now)
{
	struct l4_tcp_info i;
	if (l4_tcp_info(s->host, k->ep, &i, now) < 0)
		return UINT64_MAX;
	return k->written - i.notsent_bytes;
}

/* ---- Zero copy ---- */

void l4_sock_zc_update(struct l4_socks *s, struct l4_sock *k)
{
	if (!k->zc_n)
		return;
	uint64_t upto = acked(s, k);
	size_t done = 0;
	while (done < k->zc_n && k->zc[done].end <= upto) {
		uint32_t id = k->zc[done++].id;
		struct l4_sk_note *last = k->notes_n ? &k->notes[k->notes_n - 1] : NULL;
		if (last && !last->stamp && last->hi + 1 == id)
			last->hi = id; /* neighbours are reported as one range */
		else if (k->notes_n < L4_SK_ERRQ_MAX)
			k->notes[k->notes_n++] =
			    (struct l4_sk_note){ .lo = id, .hi = id, .copied = true };
	}
	memmove(k->zc, k->zc + done, (k->zc_n - done) * sizeof(k->zc[0]));
	k->zc_n -= done;
}

/* ---- Moments of sending ---- */

void l4_sock_stamping(struct l4_sock *k, int flags)
{
	if (flags & OPT_ID && !(k->stamping & OPT_ID))
		k->stamp_base = k->written; /* bytes are counted from here */
	k->stamping = flags;
}

static void stamp(struct l4_sock *k, const struct l4_sk_stamp *t, uint32_t what, l4_time now)
{
	if (!(k->stamping & SOFTWARE) || k->notes_n == L4_SK_ERRQ_MAX)
		return;
	k->notes[k->notes_n++] = (struct l4_sk_note){
		.lo = what,
		.hi = k->stamping & OPT_ID ? (uint32_t)(t->end - k->stamp_base - 1) : 0,
		.stamp = now ? now : 1,
	};
}

bool l4_sock_stamp_update(struct l4_socks *s, struct l4_sock *k, l4_time now)
{
	if (!k->stamps_n)
		return false;
	size_t before = k->notes_n, done = 0;
	uint64_t left = sent(s, k, now), upto = acked(s, k);
	for (size_t i = 0; i < k->stamps_n; i++) {
		struct l4_sk_stamp *t = &k->stamps[i];
		if (!t->sent && t->end <= left) {
			t->sent = true;
			if (t->flags & TX_SCHED)
				stamp(k, t, SCM_TSTAMP_SCHED, now);
			if (t->flags & TX_SOFTWARE)
				stamp(k, t, SCM_TSTAMP_SND, now);
		}
		if (t->end <= upto) {
			if (t->flags & TX_ACK)
				stamp(k, t, SCM_TSTAMP_ACK, now);
			done = i + 1;
		}
	}
	memmove(k->stamps, k->stamps + done, (k->stamps_n - done) * sizeof(k->stamps[0]));
	k->stamps_n -= done;
	return k->notes_n != before;
}

void l4_sock_note_sent(struct l4_sock *k, const struct l4_call *c)
{
	if (c->a & MSG_ZEROCOPY && k->zerocopy && k->zc_n < L4_SK_ERRQ_MAX)
		k->zc[k->zc_n++] = (struct l4_sk_zc){ .id = k->zc_next++, .end = k->written };
	int flags = k->stamping & (TX_SCHED | TX_SOFTWARE | TX_ACK);
	if (flags && c->done && k->stamps_n < L4_SK_ERRQ_MAX)
		k->stamps[k->stamps_n++] =
		    (struct l4_sk_stamp){ .end = k->written, .flags = flags };
}

/* ---- Reading ---- */

/* The error and after it, as Linux has it, the address of who reported it: nobody. */
static void put_error(
    const struct l4_sock *k, struct msghdr *m, size_t *used, const struct sock_extended_err *e)
{
	struct {
		struct sock_extended_err e;
		struct sockaddr_in offender;
	} v4 = { .e = *e };
	struct {
		struct sock_extended_err e;
		struct sockaddr_in6 offender;
	} v6 = { .e = *e };
	if (k->domain == AF_INET)
		l4_sock_put_cmsg(m, used, SOL_IP, IP_RECVERR, &v4, sizeof(v4));
	else
		l4_sock_put_cmsg(m, used, SOL_IPV6, IPV6_RECVERR, &v6, sizeof(v6));
}

bool l4_call_recv_errqueue(struct l4_socks *s, struct l4_sock *k, struct l4_call *c, l4_time now)
{
	l4_sock_stamp_update(s, k, now);
	l4_sock_zc_update(s, k);
	if (!k->notes_n)
		return l4_call_end(c, -EAGAIN);
	struct l4_sk_note note = k->notes[0];
	memmove(k->notes, k->notes + 1, (k->notes_n - 1) * sizeof(k->notes[0]));
	k->notes_n--;
	if (!c->msg)
		return l4_call_end(c, 0);
	struct sock_extended_err e = {
		.ee_origin = SO_EE_ORIGIN_ZEROCOPY,
		.ee_code = note.copied ? SO_EE_CODE_ZEROCOPY_COPIED : 0,
		.ee_info = note.lo,
		.ee_data = note.hi,
	};
	size_t used = 0;
	c->msg->msg_flags = MSG_ERRQUEUE;
	if (note.stamp) {
		struct scm_timestamping t = { 0 };
		t.ts[0].tv_sec = (time_t)(note.stamp / L4_SEC);
		t.ts[0].tv_nsec = (long)(note.stamp % L4_SEC);
		e.ee_errno = ENOMSG;
		e.ee_origin = SO_EE_ORIGIN_TIMESTAMPING;
		if (!(k->stamping & OPT_TSONLY))
			c->msg->msg_flags |= MSG_TRUNC;
		l4_sock_put_cmsg(c->msg, &used, SOL_SOCKET, SCM_TIMESTAMPING, &t, sizeof(t));
	}
	put_error(k, c->msg, &used, &e);
	c->msg->msg_controllen = used;
	return l4_call_end(c, 0);
}
