/* l4 demo: two hosts in one process, in virtual time, over a link that delays and loses: a DNS
 * question over UDP, then a page over TCP with gzip. No privileges, no network, no waiting.
 *
 * Everything that happens follows from the seed. The ladder shows each segment as it leaves and
 * whether it arrives; the capture is what the client's interface saw. The page is compared with
 * what the server has: the exit code is 0 only if every byte arrived. */
#include <layer4/dns.h>
#include <layer4/err.h>
#include <layer4/host.h>
#include <layer4/http.h>
#include <layer4/loop.h>
#include <layer4/sim.h>
#include <layer4/udp.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/httpc.h"
#include "cli/httpd.h"
#include "cli/info.h"
#include "cli/ladder.h"
#include "cli/stack.h"

#define NAME       "www.layer4.test"
#define PATH       "/index.html"
#define GIVE_UP    (300 * L4_SEC) /* of virtual time */
#define DNS_RETRY  (1 * L4_SEC)
#define DNS_TRIES  8
#define WALL_START 1767225600 /* 2026-01-01 00:00:00 UTC: the server's clock when time begins */

/* A segment of the ladder that may still arrive. */
struct sent {
	struct ladder_line line;
	uint64_t hash;
	bool arrived;
};

struct demo {
	struct stack_opts so;
	uint64_t size; /* bytes of the page */
	bool v6, quiet;
	const char *pcap;
	/* the world */
	struct l4_sim *sim;
	struct l4_host *client, *server;
	struct l4_link *link;
	struct l4_addr client_addr, server_addr;
	struct ladder *ladder;
	struct l4_pcap *capture;
	int capture_iface;
	struct sent *sent;
	size_t sent_n, sent_cap;
	/* the server */
	char *page;
	struct httpd *httpd;
	l4_ep dns_server, listener, served;
	struct httpd_conn *conn;
	bool served_eof, served_shut;
	/* the client */
	l4_ep dns_client, get;
	uint16_t dns_id;
	unsigned dns_tries;
	l4_time dns_start, dns_took, get_start, get_took;
	bool resolved;
	struct httpc http;
	char *body;
	size_t body_n;
	bool closed;
	struct l4_tcp_info info;
	struct l4_endpoint local, remote;
	char failure[200];
};

static void usage(void)
{
	printf(
	    "Usage: l4 demo [OPTION...]\n\n"
	    "Two hosts in one process over a simulated link ask a DNS question and fetch a page\n"
	    "with gzip, in virtual time: no privileges, no network. Prints every segment, writes "
	    "a\n"
	    "capture, and ends with 0 only if every byte arrived.\n\n"
	    "      --seed N          what happens follows from this number (22)\n"
	    "      --impair SPEC     the link, both ways (delay=20ms,loss=2%%); also jitter, "
	    "reorder,\n"
	    "                        dup, corrupt, rate, queue, mtu, burst, blackout\n"
	    "      --size N          bytes of the page (150000)\n"
	    "  -6, --ipv6            over IPv6\n"
	    "      --pcap FILE       the capture (l4-demo.pcapng); '' for none\n"
	    "      --info            print the client's connection statistics\n"
	    "      --json            one object a line\n"
	    "  -q, --quiet           only the summary\n"
	    "      --help            this text\n\n"
	    "Exit: 0 all arrived, 1 not all, 2 wrong use, 3 the system failed.\n\n"
	    "Examples:\n"
	    "  l4 demo\n"
	    "  l4 demo --seed 7 --impair delay=50ms,loss=10%%,reorder=5%% --info\n");
}

static const struct option longs[] = { { "seed", required_argument, NULL, 906 },
	{ "impair", required_argument, NULL, 905 }, { "pcap", required_argument, NULL, 904 },
	{ "info", no_argument, NULL, 908 }, { "json", no_argument, NULL, 909 },
	{ "help", no_argument, NULL, 910 }, { "size", required_argument, NULL, 1000 },
	{ "ipv6", no_argument, NULL, '6' }, { "quiet", no_argument, NULL, 'q' },
	{ NULL, 0, NULL, 0 } };

static int parse(struct demo *d, int argc, char **argv)
{
	int c;
	size_t at;
	d->so.seed = 22; /* two segments lost, one round trip apart in being sent again */
	d->so.has_seed = true;
	d->size = 150000;
	d->pcap = "l4-demo.pcapng";
	l4_impair_parse(&d->so.impair, "delay=20ms,loss=2%,rate=10mbit", &at);
	optind = 1;
	while ((c = getopt_long(argc, argv, "6q", longs, NULL)) != -1) {
		if (c == 910)
			return 1;
		if (c == 904) {
			d->pcap = optarg;
		} else if (c == '6') {
			d->v6 = true;
		} else if (c == 'q') {
			d->quiet = true;
		} else if (c == 1000) {
			if (stack_parse_number(&d->size, optarg, 0, 1u << 30) < 0) {
				fprintf(stderr,
				    "l4 demo: --size: '%s' is not a number up to 1 GiB\n", optarg);
				return -1;
			}
		} else if (c == '?' || stack_opt(&d->so, "demo", c, optarg) < 0) {
			return -1;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "l4 demo: unexpected '%s'; see 'l4 demo --help'\n", argv[optind]);
		return -1;
	}
	return 0;
}

static void fail(struct demo *d, const char *what, int rc)
{
	if (!d->failure[0])
		snprintf(d->failure, sizeof(d->failure), "%s: %s", what, l4_err_text(rc));
	l4_sim_stop(d->sim);
}

/* --- the server's files: one page in memory --- */

/* A page that looks like text: rows of numbers and words, by a generator of its own. */
static char *make_page(size_t size)
{
	static const char *const words[] = { "segment", "window", "acknowledgment", "sequence",
		"host", "datagram", "port", "checksum", "loss", "delay", "queue", "reorder",
		"option", "timer", "stream", "byte" };
	static const char head[] =
	    "<!DOCTYPE html>\n<title>layer4</title>\n<h1>It works</h1>\n<pre>\n";
	char *page = malloc(size + 128);
	uint32_t x = 42;
	size_t n = 0;
	if (!page)
		return NULL;
	memcpy(page, head, sizeof(head));
	n = sizeof(head) - 1;
	while (n < size) {
		x = x * 1664525u + 1013904223u;
		int k = snprintf(page + n, 64, "%s %u%s", words[x >> 28], x >> 12 & 0xfff,
		    (x >> 24 & 7) == 0 ? "\n" : " ");
		n += (size_t)k;
	}
	return page;
}

static int page_open(void *ctx, const char *path, struct httpd_file *out)
{
	struct demo *d = ctx;
	if (strcmp(path, PATH) != 0)
		return L4_ENOTFOUND;
	memset(out, 0, sizeof(*out));
	out->size = d->size;
	out->mtime_s = WALL_START;
	return 0;
}

static int64_t page_read(void *ctx, struct httpd_file *f, uint64_t off, void *buf, size_t n)
{
	struct demo *d = ctx;
	(void)f;
	if (off >= d->size)
		return 0;
	if (n > d->size - off)
		n = (size_t)(d->size - off);
	memcpy(buf, d->page + off, n);
	return (int64_t)n;
}

static void page_close(void *ctx, struct httpd_file *f)
{
	(void)ctx;
	(void)f;
}

static int64_t wall(void *ctx)
{
	const struct demo *d = ctx;
	return WALL_START + (int64_t)(l4_sim_now(d->sim) / L4_SEC);
}

/* --- the server --- */

static void serve_dns(struct demo *d, l4_time now)
{
	uint8_t in[1500], out[1500];
	struct l4_udp_msg m;
	int64_t n;
	while ((n = l4_udp_recv(d->server, d->dns_server, in, sizeof(in), &m, now)) >= 0) {
		struct l4_dns_iter it;
		struct l4_dns_hdr h;
		struct l4_dns_rr q;
		struct l4_dns_writer w;
		struct l4_dns_name name;
		if (l4_dns_iter_init(&it, &h, in, (size_t)n) < 0 || h.qr ||
		    l4_dns_iter_next(&it, &q) != 1 || q.section != L4_DNS_QUESTION)
			continue; /* never an answer to an answer, or to rubbish */
		l4_dns_name_from_text(&name, NAME);
		bool known = l4_dns_name_eq(&q.name, &name);
		struct l4_dns_hdr a = { .id = h.id,
			.qr = true,
			.aa = true,
			.rd = h.rd,
			.rcode = known ? L4_DNS_NOERROR : L4_DNS_NXDOMAIN };
		l4_dns_writer_init(&w, out, sizeof(out), &a);
		l4_dns_add_question(&w, &q.name, q.type, q.class_);
		if (known && q.type == (d->v6 ? L4_DNS_AAAA : L4_DNS_A))
			l4_dns_add_addr(&w, L4_DNS_ANSWER, &q.name, 60, &d->server_addr);
		l4_udp_send(d->server, d->dns_server, &m.from, out, w.len, now);
	}
}

static void drop_served(struct demo *d, bool in_order, l4_time now)
{
	if (in_order)
		l4_tcp_close(d->server, d->served, now);
	else
		l4_tcp_abort(d->server, d->served, now);
	httpd_conn_free(d->conn);
	d->conn = NULL;
	d->served = 0;
}

/* Moves the server's connection on until nothing moves. */
static void pump_served(struct demo *d, l4_time now)
{
	while (d->conn) {
		const void *p;
		bool more, moved = false;
		size_t n;
		while ((n = httpd_conn_output(d->conn, &p, &more, now)) > 0) {
			int64_t k =
			    l4_tcp_send(d->server, d->served, p, n, more ? L4_SEND_MORE : 0, now);
			if (k < 0)
				break;
			httpd_conn_sent(d->conn, (size_t)k, now);
			moved = true;
		}
		if (httpd_conn_state(d->conn) == HTTPD_CLOSE && !d->served_shut) {
			l4_tcp_shutdown(d->server, d->served, now);
			d->served_shut = true;
		}
		struct l4_piece piece[2];
		int got = l4_tcp_peek(d->server, d->served, piece);
		if (got > 0) {
			size_t took = httpd_conn_input(d->conn, piece[0].data, piece[0].len, now);
			l4_tcp_consume(d->server, d->served, took, now);
			moved |= took > 0;
		} else if (got == 0 && !d->served_eof) {
			d->served_eof = true;
			httpd_conn_eof(d->conn, now);
			moved = true;
		} else if (got == 0 && d->served_shut) {
			drop_served(d, true, now);
			return;
		} else if (got < 0 && got != L4_EAGAIN) {
			drop_served(d, false, now);
			return;
		}
		if (!moved)
			return;
	}
}

static void on_server(void *ctx, struct l4_host *h, const struct l4_event *e, l4_time now)
{
	struct demo *d = ctx;
	if (e->ep == d->dns_server) {
		serve_dns(d, now);
	} else if (e->ep == d->listener) {
		struct l4_endpoint peer;
		l4_ep ep = l4_tcp_accept(h, d->listener, &peer, NULL, now);
		if (ep > 0 && d->conn) {
			l4_tcp_abort(h, ep, now);
		} else if (ep > 0) {
			d->served = ep;
			d->conn = httpd_conn_new(d->httpd, &peer, now);
			pump_served(d, now);
		}
	} else if (e->ep == d->served) {
		pump_served(d, now);
	}
}

static int start_server(struct demo *d)
{
	struct l4_endpoint me;
	struct httpd_config c;
	int rc;
	httpd_config_init(&c);
	c.source = (struct httpd_source){ page_open, page_read, NULL, page_close, d };
	c.wall = wall;
	c.ctx = d;
	/* deadlines are not looked at: virtual clients are never lazy */
	d->httpd = httpd_new(&c);
	memset(&me, 0, sizeof(me));
	me.port = L4_DNS_PORT;
	d->dns_server = l4_udp_new(d->server, NULL);
	if ((rc = l4_udp_bind(d->server, d->dns_server, &me)) < 0)
		return rc;
	me.port = 80;
	d->listener = l4_tcp_new(d->server, NULL);
	if ((rc = l4_tcp_bind(d->server, d->listener, &me)) < 0)
		return rc;
	l4_sim_on_event(d->sim, d->server, on_server, d);
	return l4_tcp_listen(d->server, d->listener, 16, 0);
}

/* --- the client --- */

static void ask(void *ctx, l4_time now)
{
	struct demo *d = ctx;
	uint8_t q[600];
	struct l4_dns_name name;
	if (d->resolved)
		return;
	if (d->dns_tries++ == DNS_TRIES) {
		fail(d, "DNS", L4_ETIMEDOUT);
		return;
	}
	l4_dns_name_from_text(&name, NAME);
	d->dns_id = (uint16_t)l4_sim_random(d->sim);
	int n = l4_dns_query_emit(q, sizeof(q), d->dns_id, &name, d->v6 ? L4_DNS_AAAA : L4_DNS_A,
	    L4_DNS_EDNS_SIZE, false);
	int64_t rc = n < 0 ? n : l4_udp_send(d->client, d->dns_client, NULL, q, (size_t)n, now);
	if (rc < 0)
		fail(d, "DNS", (int)rc);
	l4_sim_at(d->sim, now + DNS_RETRY, ask, d);
}

static void on_address(struct demo *d, const struct l4_addr *a, l4_time now)
{
	d->resolved = true;
	d->dns_took = now - d->dns_start;
	d->get_start = now;
	memset(&d->remote, 0, sizeof(d->remote));
	d->remote.addr = *a;
	d->remote.port = 80;
	d->get = l4_tcp_new(d->client, NULL);
	int rc = d->get < 0 ? (int)d->get : l4_tcp_connect(d->client, d->get, &d->remote, now);
	if (rc < 0)
		fail(d, "connect", rc);
}

static void on_datagram(struct demo *d, l4_time now)
{
	uint8_t msg[1500];
	struct l4_dns_name name;
	int64_t n;
	l4_dns_name_from_text(&name, NAME);
	while ((n = l4_udp_recv(d->client, d->dns_client, msg, sizeof(msg), NULL, now)) >= 0) {
		struct l4_addr a;
		if (!d->resolved &&
		    l4_dns_is_answer(msg, (size_t)n, d->dns_id, &name,
			d->v6 ? L4_DNS_AAAA : L4_DNS_A, L4_DNS_IN) &&
		    l4_dns_addrs(&a, 1, &name, msg, (size_t)n) == 1)
			on_address(d, &a, now);
	}
}

static int on_body(void *ctx, const void *p, size_t n)
{
	struct demo *d = ctx;
	if (n > d->size - d->body_n)
		return L4_ELIMIT; /* more than the page has */
	memcpy(d->body + d->body_n, p, n);
	d->body_n += n;
	return 0;
}

static void request(struct demo *d, l4_time now)
{
	static const char url[] = "http://" NAME PATH;
	char text[512];
	struct l4_url u;
	l4_url_parse(&u, url, sizeof(url) - 1);
	int n = httpc_request(text, sizeof(text), "GET", &u, NULL, 0, true, 0);
	int64_t rc = n < 0 ? n : l4_tcp_send(d->client, d->get, text, (size_t)n, 0, now);
	if (rc != n)
		fail(d, "request", rc < 0 ? (int)rc : L4_EAGAIN);
}

static void receive(struct demo *d, l4_time now)
{
	struct l4_piece p[2];
	int n = L4_EAGAIN;
	while (d->http.phase < HTTPC_DONE && (n = l4_tcp_peek(d->client, d->get, p)) > 0) {
		size_t took = httpc_input(&d->http, p[0].data, p[0].len);
		l4_tcp_consume(d->client, d->get, took, now);
	}
	if (d->http.phase < HTTPC_DONE && n != L4_EAGAIN)
		httpc_end(&d->http, n == 0);
	if (d->http.phase == HTTPC_ERROR) {
		fail(d, d->http.why ? d->http.why : "response", d->http.error);
	} else if (d->http.phase == HTTPC_DONE && !d->get_took) {
		d->get_took = now - d->get_start;
		l4_tcp_shutdown(d->client, d->get, now);
	}
}

static void on_client(void *ctx, struct l4_host *h, const struct l4_event *e, l4_time now)
{
	struct demo *d = ctx;
	if (e->ep == d->dns_client) {
		on_datagram(d, now);
		return;
	}
	if (e->ep <= 0 || e->ep != d->get || d->closed)
		return;
	l4_tcp_info(h, d->get, &d->info, now);
	l4_tcp_local(h, d->get, &d->local);
	if (e->bits & L4_EV_CONNECTED)
		request(d, now);
	receive(d, now);
	if (e->bits & L4_EV_ERROR)
		fail(d, "connection", e->err);
	if (e->bits & L4_EV_CLOSED) {
		d->closed = true;
		l4_sim_stop(d->sim);
	}
}

/* --- the ladder and the capture --- */

/* Of the bytes on the wire, so that a frame is known again: before it leaves, its checksum may be
 * left to the device. */
static uint64_t hash_frame(const struct l4_frame *f)
{
	static uint8_t wire[65536 + L4_FRAME_HEAD];
	uint64_t h = 14695981039346656037u;
	struct l4_gso g;
	int n;
	l4_gso_begin(&g, f);
	while ((n = l4_gso_next(&g, wire, sizeof(wire))) > 0)
		for (int k = 0; k < n; k++)
			h = (h ^ wire[k]) * 1099511628211u;
	return h;
}

static void on_frame(void *ctx, struct l4_host *h, unsigned ifindex, bool sent,
    const struct l4_frame *f, l4_time now)
{
	struct demo *d = ctx;
	(void)ifindex;
	if (h == d->client && d->capture)
		l4_pcap_frame(d->capture, d->capture_iface, sent, f, now);
	enum ladder_way way = (h == d->client) == sent ? LADDER_OUT : LADDER_IN;
	uint64_t hash = hash_frame(f);
	if (!sent) {
		for (size_t i = 0; i < d->sent_n; i++) {
			struct sent *s = &d->sent[i];
			if (!s->arrived && s->hash == hash && s->line.way == way) {
				s->arrived = true;
				return;
			}
		}
		return;
	}
	if (d->sent_n == d->sent_cap) {
		size_t cap = d->sent_cap ? d->sent_cap * 2 : 256;
		struct sent *p = realloc(d->sent, cap * sizeof(*p));
		if (!p)
			return;
		d->sent = p;
		d->sent_cap = cap;
	}
	struct sent *s = &d->sent[d->sent_n++];
	memset(s, 0, sizeof(*s));
	ladder_render(d->ladder, &s->line, way, L4_MEDIUM_ETHERNET, f, now);
	s->hash = hash;
}

/* --- the run --- */

static int build(struct demo *d)
{
	struct l4_link_config lc = { .medium = L4_MEDIUM_ETHERNET, .mtu = 1500 };
	struct l4_prefix ca, sa;
	struct l4_endpoint dns;
	int rc, ifindex[2];
	lc.to[0] = lc.to[1] = d->so.impair;
	l4_prefix_parse(&ca, d->v6 ? "2001:db8:4::1/64" : "192.0.2.1/24");
	l4_prefix_parse(&sa, d->v6 ? "2001:db8:4::2/64" : "192.0.2.2/24");
	d->client_addr = ca.addr;
	d->server_addr = sa.addr;
	if ((rc = l4_sim_new(&d->sim, d->so.seed)) < 0 ||
	    (rc = l4_sim_add_host(d->sim, &d->client, NULL)) < 0 ||
	    (rc = l4_sim_add_host(d->sim, &d->server, NULL)) < 0 ||
	    (rc = l4_sim_connect(d->sim, d->client, d->server, &lc, &d->link, ifindex)) < 0 ||
	    (rc = l4_host_add_address(d->client, (unsigned)ifindex[0], &ca, 0)) < 0 ||
	    (rc = l4_host_add_address(d->server, (unsigned)ifindex[1], &sa, 0)) < 0 ||
	    (rc = start_server(d)) < 0)
		return rc;
	l4_sim_on_frame(d->sim, on_frame, d);
	l4_sim_on_event(d->sim, d->client, on_client, d);
	memset(&dns, 0, sizeof(dns));
	dns.addr = d->server_addr;
	dns.port = L4_DNS_PORT;
	d->dns_client = l4_udp_new(d->client, NULL);
	if ((rc = l4_udp_connect(d->client, d->dns_client, &dns)) < 0)
		return rc;
	httpc_init(&d->http, false, true, NULL, on_body, d);
	return l4_sim_at(d->sim, 0, ask, d);
}

static unsigned count_lost(const struct demo *d)
{
	unsigned n = 0;
	for (size_t i = 0; i < d->sent_n; i++)
		n += !d->sent[i].arrived;
	return n;
}

static int report(struct demo *d)
{
	bool whole = d->http.phase == HTTPC_DONE && d->http.status == 200 && d->body_n == d->size &&
		     memcmp(d->body, d->page, d->size) == 0;
	bool good = whole && d->resolved && d->closed && !d->failure[0];
	char addr[L4_ADDR_TEXT_MAX];
	l4_addr_format(&d->remote.addr, addr, sizeof(addr));
	if (!d->quiet)
		for (size_t i = 0; i < d->sent_n; i++)
			ladder_print(d->ladder, &d->sent[i].line, !d->sent[i].arrived);
	if (d->so.info && d->get > 0)
		info_print(stdout, &d->info, &d->local, &d->remote, d->so.json);
	if (d->so.json) {
		printf("{\"ok\":%s,\"seed\":%llu,\"dns_ms\":%.3f,\"dns_tries\":%u,\"get_ms\":%.3f,"
		       "\"status\":%u,\"gzip\":%s,\"wire_bytes\":%llu,\"body_bytes\":%zu,"
		       "\"frames\":%zu,"
		       "\"lost\":%u,\"retransmitted\":%u}\n",
		    good ? "true" : "false", (unsigned long long)d->so.seed,
		    (double)d->dns_took / 1e6, d->dns_tries, (double)d->get_took / 1e6,
		    d->http.status, d->http.gzip ? "true" : "false",
		    (unsigned long long)d->http.wire_bytes, d->body_n, d->sent_n, count_lost(d),
		    d->info.total_retrans);
	} else {
		printf("\nDNS   %s is %s: %u question%s, %.1f ms\n", NAME,
		    d->resolved ? addr : "not found", d->dns_tries, d->dns_tries == 1 ? "" : "s",
		    (double)d->dns_took / 1e6);
		printf("HTTP  status %u, %llu bytes%s, %zu of %llu bytes of the page, %.1f ms\n",
		    d->http.status, (unsigned long long)d->http.wire_bytes,
		    d->http.gzip ? " of gzip" : "", d->body_n, (unsigned long long)d->size,
		    (double)d->get_took / 1e6);
		printf("Link  %zu frames, %u lost; seed %llu\n", d->sent_n, count_lost(d),
		    (unsigned long long)d->so.seed);
		if (d->capture)
			printf("Capture in %s\n", d->pcap);
		if (good)
			printf("Every byte arrived.\n");
		else
			printf(
			    "Not every byte arrived%s%s.\n", d->failure[0] ? ": " : "", d->failure);
	}
	return good ? L4_EXIT_DONE : L4_EXIT_NO;
}

static int run(struct demo *d)
{
	char err[256] = "";
	struct ladder_config lc = { .out = stdout,
		.json = d->so.json,
		.color = isatty(STDOUT_FILENO) && !getenv("NO_COLOR"),
		.left = "client",
		.right = "server" };
	d->ladder = ladder_new(&lc);
	d->page = make_page((size_t)d->size);
	d->body = malloc((size_t)d->size + 1);
	if (!d->ladder || !d->page || !d->body) {
		fprintf(stderr, "l4 demo: no memory\n");
		return L4_EXIT_SYSTEM;
	}
	if (d->pcap[0]) {
		if (l4_pcap_open(&d->capture, d->pcap, 0, err, sizeof(err)) < 0) {
			fprintf(stderr, "l4 demo: %s\n", err);
			return L4_EXIT_SYSTEM;
		}
		d->capture_iface = l4_pcap_add_iface(d->capture, "client", L4_MEDIUM_ETHERNET);
	}
	int rc = build(d);
	if (rc == 0)
		rc = l4_sim_run(d->sim, GIVE_UP, true);
	if (rc < 0 && !d->failure[0])
		snprintf(d->failure, sizeof(d->failure), "%s%s%s", l4_err_text(rc),
		    d->sim && l4_sim_what(d->sim)[0] ? ": " : "",
		    d->sim ? l4_sim_what(d->sim) : "");
	else if (!d->closed && !d->failure[0])
		snprintf(d->failure, sizeof(d->failure), "gave up after %llu s",
		    (unsigned long long)(GIVE_UP / L4_SEC));
	int code = report(d);
	if (d->capture && l4_pcap_close(d->capture) < 0) {
		fprintf(stderr, "l4 demo: cannot write %s\n", d->pcap);
		code = L4_EXIT_SYSTEM;
	}
	if (fflush(stdout) != 0) {
		perror("l4 demo: standard output");
		code = L4_EXIT_SYSTEM;
	}
	return code;
}

int cmd_demo(int argc, char **argv)
{
	static struct demo d;
	memset(&d, 0, sizeof(d));
	int rc = parse(&d, argc, argv);
	if (rc > 0) {
		usage();
		return L4_EXIT_DONE;
	}
	if (rc < 0)
		return L4_EXIT_USAGE;
	rc = run(&d);
	httpc_fini(&d.http);
	httpd_conn_free(d.conn);
	httpd_free(d.httpd);
	if (d.sim)
		l4_sim_free(d.sim);
	ladder_free(d.ladder);
	free(d.sent);
	free(d.page);
	free(d.body);
	return rc;
}
