/* A stub resolver: one question, UDP with tries, TCP when the answer was cut (RFC 7766 5).
 *
 * Each try has a fresh id and, by a fresh endpoint, a fresh random port (RFC 5452 9). What does not
 * answer the question, or is malformed, is counted and waited past: one bad datagram must not end
 * the question (TuDoor). A server that knows no EDNS says FORMERR; then the question goes out again
 * without (RFC 6891 7). */
#include "cli/dnsc.h"

#include <layer4/err.h>
#include <layer4/host.h>
#include <layer4/udp.h>
#include <layer4/wire.h>

#include <stdlib.h>
#include <string.h>

#include "cli/tcpc.h"

void dnsc_opts_init(struct dnsc_opts *o)
{
	memset(o, 0, sizeof(*o));
	o->timeout = 2 * L4_SEC;
	o->tries = 3;
	o->udp_size = L4_DNS_EDNS_SIZE;
}

struct question {
	const struct l4_dns_name *name;
	uint16_t type, id;
};

enum verdict { TAKE, STRANGE, MALFORMED, NO_EDNS };

static enum verdict judge(const struct question *q, const uint8_t *msg, size_t len, bool edns)
{
	struct l4_dns_hdr h;
	if (l4_dns_hdr_parse(&h, msg, len) < 0)
		return MALFORMED;
	if (h.id != q->id || !h.qr)
		return STRANGE;
	if (edns && (h.rcode == L4_DNS_FORMERR || h.rcode == L4_DNS_NOTIMP) &&
	    (h.count[0] == 0 || l4_dns_check(msg, len) == 0))
		return NO_EDNS;
	if (!l4_dns_is_answer(msg, len, q->id, q->name, q->type, L4_DNS_IN))
		return l4_dns_check(msg, len) < 0 ? MALFORMED : STRANGE;
	if (!h.tc && l4_dns_check(msg, len) < 0)
		return MALFORMED;
	return TAKE;
}

/* Events of a command that polls; nothing of them is needed. */
static void drop_events(struct stack *s)
{
	struct l4_event ev[32];
	while (l4_host_events(s->host, ev, 32) > 0)
		;
}

/* Waits for a datagram that answers. 0, L4_EAGAIN (this try is over), L4_EUNSUPPORTED (no EDNS), or
 * an error that ends it all. */
static int wait_udp(struct stack *s, l4_ep ep, const struct question *q, bool edns, l4_time until,
    struct dnsc_answer *out)
{
	for (;;) {
		int64_t n =
		    l4_udp_recv(s->host, ep, out->msg, sizeof(out->msg), NULL, stack_now(s));
		if (n >= 0) {
			enum verdict v = judge(q, out->msg, (size_t)n, edns);
			out->len = (size_t)n;
			if (v == TAKE)
				return 0;
			if (v == NO_EDNS)
				return L4_EUNSUPPORTED;
			out->malformed += v == MALFORMED;
			out->strange += v == STRANGE;
			continue;
		}
		if (n != L4_EAGAIN)
			return (int)n;
		if (stack_now(s) >= until)
			return L4_EAGAIN;
		if (!stack_step(s, until))
			return s->failed ? L4_ESYS : L4_EABORTED;
		drop_events(s);
	}
}

static int try_udp(struct stack *s, const struct l4_endpoint *server, struct question *q,
    const struct dnsc_opts *o, bool edns, struct dnsc_answer *out)
{
	uint8_t query[600];
	struct l4_endpoint me;
	memset(&me, 0, sizeof(me));
	q->id = (uint16_t)stack_random(s);
	int len = l4_dns_query_emit(
	    query, sizeof(query), q->id, q->name, q->type, edns ? o->udp_size : 0, o->dnssec);
	if (len < 0)
		return len;
	if (!stack_claim(s, L4_PROTO_UDP, &me.port))
		return L4_EINUSE;
	l4_ep ep = l4_udp_new(s->host, NULL);
	if (ep < 0)
		return (int)ep;
	l4_time start = stack_now(s);
	int rc = l4_udp_bind(s->host, ep, &me);
	if (rc == 0)
		rc = l4_udp_connect(s->host, ep, server);
	if (rc == 0) {
		int64_t sent = l4_udp_send(s->host, ep, NULL, query, (size_t)len, start);
		rc = sent < 0 ? (int)sent : 0;
	}
	if (rc == 0)
		rc = wait_udp(s, ep, q, edns, start + o->timeout, out);
	out->rtt = stack_now(s) - start;
	l4_udp_close(s->host, ep, stack_now(s));
	return rc;
}

/* Sends and receives one length-framed message each way (RFC 7766 8). */
static int exchange_tcp(
    struct tcpc *c, const uint8_t *query, size_t len, l4_time until, struct dnsc_answer *out)
{
	uint8_t head[2];
	size_t sent = 0, got = 0, want = 2;
	struct stack *s = c->s;
	for (;;) {
		while (sent < len) {
			int64_t n =
			    l4_tcp_send(s->host, c->ep, query + sent, len - sent, 0, stack_now(s));
			if (n < 0 && n != L4_EAGAIN)
				return (int)n;
			if (n <= 0)
				break;
			sent += (size_t)n;
		}
		int64_t n = got < 2
				? l4_tcp_recv(s->host, c->ep, head + got, 2 - got, 0, stack_now(s))
				: l4_tcp_recv(s->host, c->ep, out->msg + (got - 2), want - got, 0,
				      stack_now(s));
		if (n > 0) {
			got += (size_t)n;
			if (got == 2)
				want = 2 + (size_t)(head[0] << 8 | head[1]);
			if (got >= 2 && want == 2)
				return L4_EMALFORMED; /* an empty message */
			if (got == want && got > 2) {
				out->len = want - 2;
				return 0;
			}
			continue;
		}
		if (n == 0)
			return L4_ETRUNC; /* closed in the middle */
		if (n != L4_EAGAIN)
			return (int)n;
		if (stack_now(s) >= until)
			return L4_ETIMEDOUT;
		if (!stack_step(s, until))
			return s->failed ? L4_ESYS : L4_EABORTED;
		tcpc_events(c);
	}
}

static int try_tcp(struct stack *s, const struct l4_endpoint *server, struct question *q,
    const struct dnsc_opts *o, bool edns, struct dnsc_answer *out)
{
	uint8_t query[602];
	struct tcpc c;
	l4_time start = stack_now(s), until = start + o->timeout;
	q->id = (uint16_t)stack_random(s);
	int len = l4_dns_query_emit(query + 2, sizeof(query) - 2, q->id, q->name, q->type,
	    edns ? o->udp_size : 0, o->dnssec);
	if (len < 0)
		return len;
	query[0] = (uint8_t)(len >> 8);
	query[1] = (uint8_t)len;
	int rc = tcpc_connect(&c, s, server, o->timeout);
	if (rc < 0)
		return rc;
	rc = exchange_tcp(&c, query, (size_t)len + 2, until, out);
	out->rtt = stack_now(s) - start;
	tcpc_finish(&c, rc == 0, 200 * L4_MSEC);
	if (rc < 0)
		return rc;
	out->tcp = true;
	switch (judge(q, out->msg, out->len, edns)) {
	case TAKE:
		return 0;
	case NO_EDNS:
		return L4_EUNSUPPORTED;
	case MALFORMED:
		out->malformed++;
		return L4_EMALFORMED;
	case STRANGE:
		out->strange++;
		return L4_EMALFORMED;
	}
	return L4_EMALFORMED;
}

int dnsc_ask(struct stack *s, const struct l4_endpoint *server, const struct l4_dns_name *name,
    uint16_t type, const struct dnsc_opts *o, struct dnsc_answer *out)
{
	struct question q = { name, type, 0 };
	bool edns = o->udp_size != 0, tcp = o->tcp;
	int rc = L4_ETIMEDOUT;
	out->malformed = out->strange = 0;
	out->tcp = out->truncated_udp = false;
	for (out->tries = 1; out->tries <= o->tries; out->tries++) {
		rc = tcp ? try_tcp(s, server, &q, o, edns, out)
			 : try_udp(s, server, &q, o, edns, out);
		if (rc == L4_EUNSUPPORTED && edns) {
			edns = false;
			continue;
		}
		if (rc == 0 && !tcp) {
			struct l4_dns_hdr h;
			l4_dns_hdr_parse(&h, out->msg, out->len);
			if (h.tc && !o->keep_tc) {
				tcp = out->truncated_udp = true;
				out->tries--; /* the other transport is no new try */
				continue;
			}
		}
		if (rc != L4_EAGAIN && rc != L4_ETIMEDOUT)
			return rc;
	}
	out->tries--;
	return out->malformed ? L4_EMALFORMED : L4_ETIMEDOUT;
}

/* --- addresses of a name --- */

static bool reachable(struct stack *s, const struct l4_addr *a)
{
	struct l4_addr src;
	return l4_host_source_for(s->host, a, &src) == 0;
}

/* Adds the addresses of one type. Returns how many, or L4_E*. */
static int ask_type(struct stack *s, const struct l4_dns_name *name, uint16_t type,
    struct dnsc_answer *ans, struct l4_addr *out, unsigned max, uint16_t *rcode)
{
	struct dnsc_opts o;
	int rc = L4_ENOTFOUND;
	dnsc_opts_init(&o);
	for (unsigned i = 0; i < s->dns_n; i++) {
		struct l4_endpoint server = { .addr = s->dns[i], .port = L4_DNS_PORT };
		struct l4_dns_hdr h;
		rc = dnsc_ask(s, &server, name, type, &o, ans);
		if (rc == L4_EABORTED)
			return rc;
		if (rc < 0 || l4_dns_hdr_parse(&h, ans->msg, ans->len) < 0)
			continue;
		*rcode = h.rcode;
		if (h.rcode == L4_DNS_NOERROR)
			return l4_dns_addrs(out, max, name, ans->msg, ans->len);
		if (h.rcode == L4_DNS_NXDOMAIN)
			return 0;
	}
	return rc;
}

int dnsc_resolve(struct stack *s, const char *host, struct l4_addr *out, unsigned max)
{
	static const char *const probe[] = { "2001:db8::1", "192.0.2.1" };
	static const uint16_t types[] = { L4_DNS_AAAA, L4_DNS_A };
	struct l4_dns_name name;
	uint16_t rcode = L4_DNS_NOERROR;
	unsigned n = 0;
	int rc = 0;
	if (l4_addr_parse(&out[0], host) == 0)
		return 1;
	if (l4_dns_name_from_text(&name, host) < 0) {
		fprintf(stderr, "l4 %s: '%s' is not a host name\n", s->cmd, host);
		return L4_EMALFORMED;
	}
	if (s->dns_n == 0) {
		fprintf(stderr, "l4 %s: no name server to ask for '%s'; give one with --dns\n",
		    s->cmd, host);
		return L4_ENOTFOUND;
	}
	struct dnsc_answer *ans = malloc(sizeof(*ans));
	if (!ans)
		return L4_ENOMEM;
	for (unsigned t = 0; t < 2 && rc != L4_EABORTED; t++) {
		/* only what we could send to: on-link hosts may be reachable without a default
		 * route, so the version counts when the name server has it or a route is there */
		struct l4_addr a;
		l4_addr_parse(&a, probe[t]);
		if (!reachable(s, &a) && l4_addr_is_ip4(&s->dns[0]) != (types[t] == L4_DNS_A))
			continue;
		int got = ask_type(s, &name, types[t], ans, out + n, max - n, &rcode);
		if (got < 0)
			rc = got;
		else
			n += (unsigned)got;
	}
	free(ans);
	if (n)
		return (int)n;
	if (rc == L4_EABORTED)
		return rc;
	if (rc < 0)
		fprintf(stderr, "l4 %s: cannot resolve '%s': %s\n", s->cmd, host, l4_err_text(rc));
	else if (rcode == L4_DNS_NXDOMAIN)
		fprintf(stderr, "l4 %s: there is no host '%s'\n", s->cmd, host);
	else
		fprintf(stderr, "l4 %s: '%s' has no address\n", s->cmd, host);
	return rc < 0 ? rc : L4_ENOTFOUND;
}
