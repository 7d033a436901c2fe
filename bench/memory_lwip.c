/* The same measurements as memory_l4.c of lwIP: Debian's liblwip, loaded twice (its state is
 * global) so that two stacks talk in one thread. Raw API, checksums computed and verified by it,
 * each frame copied once into a pbuf of the receiving stack, as its Ethernet drivers do.
 *
 * Usage: memory_lwip MODE [SECONDS]; MODE bulk-1500, connections, rr. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <lwip/init.h>
#include <lwip/netif.h>
#include <lwip/pbuf.h>
#include <lwip/tcp.h>
#include <lwip/timeouts.h>

#define QUEUE 4096

struct stack {
	void (*init)(void);
	struct netif *(*netif_add)(struct netif *, const ip4_addr_t *, const ip4_addr_t *,
	    const ip4_addr_t *, void *, netif_init_fn, netif_input_fn);
	void (*netif_set_default)(struct netif *);
	void (*netif_set_up)(struct netif *);
	void (*netif_set_link_up)(struct netif *);
	err_t (*ip_input)(struct pbuf *, struct netif *);
	err_t (*ip4_output)(struct netif *, struct pbuf *, const ip4_addr_t *);
	struct pbuf *(*pbuf_alloc)(pbuf_layer, u16_t, pbuf_type);
	err_t (*pbuf_take)(struct pbuf *, const void *, u16_t);
	u16_t (*pbuf_copy_partial)(const struct pbuf *, void *, u16_t, u16_t);
	u8_t (*pbuf_free)(struct pbuf *);
	struct tcp_pcb *(*tcp_new)(void);
	err_t (*tcp_bind)(struct tcp_pcb *, const ip_addr_t *, u16_t);
	struct tcp_pcb *(*listen_backlog)(struct tcp_pcb *, u8_t);
	void (*tcp_accept)(struct tcp_pcb *, tcp_accept_fn);
	err_t (*tcp_connect)(struct tcp_pcb *, const ip_addr_t *, u16_t, tcp_connected_fn);
	void (*tcp_recv)(struct tcp_pcb *, tcp_recv_fn);
	void (*tcp_arg)(struct tcp_pcb *, void *);
	void (*tcp_recved)(struct tcp_pcb *, u16_t);
	err_t (*tcp_write)(struct tcp_pcb *, const void *, u16_t, u8_t);
	err_t (*tcp_output)(struct tcp_pcb *);
	err_t (*tcp_close)(struct tcp_pcb *);
	void (*tcp_abort)(struct tcp_pcb *);
	void (*check_timeouts)(void);
	struct netif nif;
	struct pbuf *q[QUEUE]; /* sent, not yet taken by the other */
	uint32_t head, tail;
};

static struct stack st[2];
static uint8_t data[65536], sink[65536];
static uint64_t got, done;

static void *need(void *lib, const char *name)
{
	void *p = dlsym(lib, name);
	if (!p) {
		fprintf(stderr, "memory_lwip: %s is not in liblwip\n", name);
		exit(3);
	}
	return p;
}

static err_t out(struct netif *n, struct pbuf *p, const ip4_addr_t *to)
{
	(void)to;
	struct stack *s = n == &st[0].nif ? &st[0] : &st[1];
	struct stack *o = s == &st[0] ? &st[1] : &st[0];
	if (s->tail - s->head == QUEUE)
		return ERR_MEM;
	/* the sender keeps its segment for retransmission: the receiver gets a copy in a pbuf of
	 * its own stack, as an Ethernet driver would make it */
	struct pbuf *r = o->pbuf_alloc(PBUF_RAW, p->tot_len, PBUF_RAM);
	if (!r)
		return ERR_MEM;
	uint16_t off = 0;
	for (struct pbuf *a = p; a; a = a->next) {
		memcpy((uint8_t *)r->payload + off, a->payload, a->len);
		off = (uint16_t)(off + a->len);
	}
	s->q[s->tail++ % QUEUE] = r;
	return ERR_OK;
}

static err_t nif_init(struct netif *n)
{
	n->mtu = 1500;
	n->output = out;
	n->flags = NETIF_FLAG_UP | NETIF_FLAG_LINK_UP;
	n->name[0] = 'm';
	return ERR_OK;
}

static int move(int from)
{
	struct stack *s = &st[from], *o = &st[!from];
	int n = 0;
	while (s->head != s->tail && n < 64) {
		struct pbuf *p = s->q[s->head++ % QUEUE];
		if (o->ip_input(p, &o->nif) != ERR_OK)
			o->pbuf_free(p);
		n++;
	}
	return n;
}

static double now_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double cpu_s(void) /* as memory_l4.c */
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void load(struct stack *s, int i)
{
	void *l = dlmopen(LM_ID_NEWLM, "liblwip.so.0", RTLD_NOW | RTLD_LOCAL);
	if (!l) {
		fprintf(stderr, "memory_lwip: %s\n", dlerror());
		exit(77);
	}
#define F(field, name) *(void **)&s->field = need(l, name)
	F(init, "lwip_init");
	F(netif_add, "netif_add");
	F(netif_set_default, "netif_set_default");
	F(netif_set_up, "netif_set_up");
	F(netif_set_link_up, "netif_set_link_up");
	F(ip_input, "ip_input");
	F(pbuf_alloc, "pbuf_alloc");
	F(pbuf_take, "pbuf_take");
	F(pbuf_copy_partial, "pbuf_copy_partial");
	F(pbuf_free, "pbuf_free");
	F(tcp_new, "tcp_new");
	F(tcp_bind, "tcp_bind");
	F(listen_backlog, "tcp_listen_with_backlog");
	F(tcp_accept, "tcp_accept");
	F(tcp_connect, "tcp_connect");
	F(tcp_recv, "tcp_recv");
	F(tcp_arg, "tcp_arg");
	F(tcp_recved, "tcp_recved");
	F(tcp_write, "tcp_write");
	F(tcp_output, "tcp_output");
	F(tcp_close, "tcp_close");
	F(tcp_abort, "tcp_abort");
	F(check_timeouts, "sys_check_timeouts");
#undef F
	s->init();
	ip4_addr_t ip, mask, gw;
	IP4_ADDR(&ip, 10, 0, 0, (uint8_t)(1 + i));
	IP4_ADDR(&mask, 255, 255, 255, 0);
	ip4_addr_set_zero(&gw);
	s->netif_add(&s->nif, &ip, &mask, &gw, NULL, nif_init, s->ip_input);
	s->netif_set_default(&s->nif);
	s->netif_set_up(&s->nif);
	s->netif_set_link_up(&s->nif);
}

/* --- server --- */
static int echo;

static err_t srv_recv(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t e)
{
	(void)arg;
	(void)e;
	if (!p) {
		st[1].tcp_close(pcb);
		return ERR_OK;
	}
	st[1].tcp_recved(pcb, p->tot_len);
	uint16_t n = st[1].pbuf_copy_partial(p, sink, p->tot_len, 0);
	got += n;
	if (echo) {
		st[1].tcp_write(pcb, sink, n, TCP_WRITE_FLAG_COPY);
		st[1].tcp_output(pcb);
	}
	st[1].pbuf_free(p);
	return ERR_OK;
}

static err_t srv_accept(void *arg, struct tcp_pcb *pcb, err_t e)
{
	(void)arg;
	if (e != ERR_OK || !pcb)
		return ERR_VAL;
	if (echo)
		tcp_nagle_disable(pcb);
	st[1].tcp_recv(pcb, srv_recv);
	return ERR_OK;
}

static void dial(void);
static int one_shot;
static struct tcp_pcb *client;
static int connected;

static err_t cli_recv(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t e)
{
	(void)arg;
	(void)e;
	if (!p) {
		st[0].tcp_close(pcb);
		return ERR_OK;
	}
	st[0].tcp_recved(pcb, p->tot_len);
	uint16_t n = st[0].pbuf_copy_partial(p, sink, p->tot_len, 0);
	st[0].pbuf_free(p);
	done++;
	if (one_shot) {
		st[0].tcp_recv(pcb, NULL);
		if (st[0].tcp_close(pcb) != ERR_OK) {
			st[0].tcp_abort(pcb);
			dial();
			return ERR_ABRT;
		}
		dial();
	} else {
		st[0].tcp_write(pcb, sink, n, TCP_WRITE_FLAG_COPY);
		st[0].tcp_output(pcb);
	}
	return ERR_OK;
}

static err_t cli_connected(void *arg, struct tcp_pcb *pcb, err_t e)
{
	(void)arg;
	(void)e;
	connected = 1;
	if (echo) {
		tcp_nagle_disable(pcb);
		st[0].tcp_write(pcb, data, 64, TCP_WRITE_FLAG_COPY);
		st[0].tcp_output(pcb);
	}
	return ERR_OK;
}

static void dial(void)
{
	ip_addr_t to;
	IP_ADDR4(&to, 10, 0, 0, 2);
	client = st[0].tcp_new();
	if (!client)
		return;
	st[0].tcp_recv(client, cli_recv);
	if (st[0].tcp_connect(client, &to, 80, cli_connected) != ERR_OK)
		st[0].tcp_abort(client);
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";
	double seconds = argc > 2 ? atof(argv[2]) : 1;
	int bulk = !strcmp(mode, "bulk-1500");
	one_shot = !strcmp(mode, "connections");
	echo = one_shot || !strcmp(mode, "rr");
	if (!bulk && !echo) {
		fprintf(stderr, "Usage: memory_lwip bulk-1500|connections|rr [SECONDS]\n");
		return 2;
	}
	load(&st[0], 0);
	load(&st[1], 1);
	struct tcp_pcb *l = st[1].tcp_new();
	ip_addr_t any;
	memset(&any, 0, sizeof any);
	st[1].tcp_bind(l, &any, 80);
	l = st[1].listen_backlog(l, 255);
	st[1].tcp_accept(l, srv_accept);
	for (int i = 0; i < (one_shot ? 32 : 1); i++)
		dial();
	while (!connected)
		if (move(0) + move(1) == 0)
			break;
	double start = now_s(), now = start, looked = start, cpu = cpu_s();
	got = done = 0;
	while (now - start < seconds) {
		if (bulk) {
			while (tcp_sndbuf(client) > 0) {
				uint16_t n = tcp_sndbuf(client) > 16384
						 ? 16384
						 : (uint16_t)tcp_sndbuf(client);
				if (st[0].tcp_write(client, data, n, TCP_WRITE_FLAG_COPY) != ERR_OK)
					break;
			}
			st[0].tcp_output(client);
		}
		move(0);
		move(1);
		now = now_s();
		if (now - looked >= 0.001) { /* each look reads the clock again */
			looked = now;
			st[0].check_timeouts();
			st[1].check_timeouts();
		}
	}
	printf("%.6g\n", (double)(bulk ? got : done) / (cpu_s() - cpu));
	return 0;
}
