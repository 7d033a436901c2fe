/* For tests and fuzzing of DNS: a message with a record of every kind, and what must hold for any
 * bytes at all. Only tests include this. */
#ifndef L4_WIRE_TESTDNS_H
#define L4_WIRE_TESTDNS_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <layer4/dns.h>

#define DNS_HOLDS(x)                                                                       \
	do {                                                                               \
		if (!(x)) {                                                                \
			(void)fprintf(                                                     \
			    stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #x); \
			abort();                                                           \
		}                                                                          \
	} while (0)

static inline struct l4_dns_name dns_name(const char *text)
{
	struct l4_dns_name n;
	DNS_HOLDS(l4_dns_name_from_text(&n, text) == L4_OK);
	return n;
}

/* One record of each type that has structure, and one that has none. */
static inline size_t dns_zoo(uint8_t *buf, size_t cap)
{
	static const uint8_t txt[] = { 5, 'h', 'e', 'l', 'l', 'o', 0, 3, '"', '\\', 7 };
	static const uint8_t params[] = { 0, 0, 0, 2, 0, 1, /* mandatory=alpn */
		0, 1, 0, 6, 2, 'h', '2', 2, 'h', ',',       /* alpn, with a comma */
		0, 2, 0, 0,                                 /* no-default-alpn */
		0, 3, 0, 2, 1, 0xbb,                        /* port=443 */
		0, 4, 0, 8, 192, 0, 2, 1, 192, 0, 2, 2,     /* ipv4hint */
		0, 5, 0, 4, 1, 2, 3, 4,                     /* ech */
		0, 6, 0, 16, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, /* ipv6hint */
		0, 7, 0, 2, '/', 'q',                                                /* dohpath */
		0x12, 0x34, 0, 1, 'x' };                                             /* key4660 */
	static const uint8_t options[] = { 0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8 };
	struct l4_dns_hdr h = { .id = 0x1234, .qr = true, .rd = true, .ra = true, .aa = true };
	struct l4_dns_writer w;
	struct l4_dns_rdata d;
	struct l4_dns_name owner = dns_name("www.example.org"), zone = dns_name("example.org");
	DNS_HOLDS(l4_dns_writer_init(&w, buf, cap, &h) == L4_OK);
	DNS_HOLDS(l4_dns_add_question(&w, &owner, L4_DNS_ANY, L4_DNS_IN) == L4_OK);
#define ADD_RR(section, name) \
	DNS_HOLDS(l4_dns_add_rr(&w, section, name, 3600 + d.type, &d) == L4_OK)
	d = (struct l4_dns_rdata){ .type = L4_DNS_CNAME };
	d.u.name = dns_name("alias.example.org");
	ADD_RR(L4_DNS_ANSWER, &owner);
	d = (struct l4_dns_rdata){ .type = L4_DNS_A };
	DNS_HOLDS(l4_addr_parse(&d.u.addr, "192.0.2.80") == L4_OK);
	owner = dns_name("alias.example.org");
	ADD_RR(L4_DNS_ANSWER, &owner);
	d.type = L4_DNS_AAAA;
	DNS_HOLDS(l4_addr_parse(&d.u.addr, "2001:db8::80") == L4_OK);
	ADD_RR(L4_DNS_ANSWER, &owner);
	d = (struct l4_dns_rdata){ .type = L4_DNS_MX };
	d.u.srv.priority = 10;
	d.u.srv.target = dns_name("mx1.example.org");
	ADD_RR(L4_DNS_ANSWER, &zone);
	d = (struct l4_dns_rdata){ .type = L4_DNS_TXT };
	d.u.raw.bytes = txt;
	d.u.raw.len = sizeof txt;
	ADD_RR(L4_DNS_ANSWER, &zone);
	d = (struct l4_dns_rdata){ .type = L4_DNS_SRV };
	d.u.srv.priority = 1;
	d.u.srv.weight = 2;
	d.u.srv.port = 5060;
	d.u.srv.target = dns_name("sip.example.org");
	owner = dns_name("_sip._udp.example.org");
	ADD_RR(L4_DNS_ANSWER, &owner);
	d = (struct l4_dns_rdata){ .type = L4_DNS_CAA };
	d.u.caa.flags = 128;
	d.u.caa.tag = (const uint8_t *)"issue";
	d.u.caa.tag_len = 5;
	d.u.caa.value = (const uint8_t *)"ca.example";
	d.u.caa.value_len = 10;
	ADD_RR(L4_DNS_ANSWER, &zone);
	d = (struct l4_dns_rdata){ .type = L4_DNS_HTTPS };
	d.u.svcb.priority = 1;
	d.u.svcb.target = dns_name(".");
	d.u.svcb.params = params;
	d.u.svcb.params_len = sizeof params;
	ADD_RR(L4_DNS_ANSWER, &zone);
	d.type = L4_DNS_SVCB;
	d.u.svcb.priority = 0;
	d.u.svcb.target = dns_name("other.example.net");
	d.u.svcb.params_len = 0;
	ADD_RR(L4_DNS_ANSWER, &zone);
	d = (struct l4_dns_rdata){ .type = L4_DNS_PTR };
	d.u.name = dns_name("host.example.org");
	owner = dns_name("1.2.0.192.in-addr.arpa");
	ADD_RR(L4_DNS_ANSWER, &owner);
	d.type = L4_DNS_DNAME;
	ADD_RR(L4_DNS_ANSWER, &zone);
	d = (struct l4_dns_rdata){ .type = 1234 };
	d.u.raw.bytes = txt;
	d.u.raw.len = 3;
	ADD_RR(L4_DNS_ANSWER, &zone);
	d = (struct l4_dns_rdata){ .type = L4_DNS_SOA };
	d.u.soa = (struct l4_dns_soa){ .mname = dns_name("ns1.example.org"),
		.rname = dns_name("host\\.master.example.org"),
		.serial = 2026112101,
		.refresh_s = 7200,
		.retry_s = 3600,
		.expire_s = 1209600,
		.minimum_s = 300 };
	ADD_RR(L4_DNS_AUTHORITY, &zone);
	d = (struct l4_dns_rdata){ .type = L4_DNS_NS };
	d.u.name = dns_name("ns1.example.org");
	ADD_RR(L4_DNS_AUTHORITY, &zone);
#undef ADD_RR
	struct l4_dns_opt opt = { .udp_size = 1232,
		.dnssec_ok = true,
		.options = options,
		.options_len = sizeof options };
	DNS_HOLDS(l4_dns_add_opt(&w, &opt) == L4_OK);
	return w.len;
}

static inline void exercise_dns_name(const struct l4_dns_name *n)
{
	struct l4_dns_name back;
	char text[L4_DNS_NAME_TEXT_MAX];
	DNS_HOLDS(n->len >= 1 && n->b[n->len - 1] == 0);
	int len = l4_dns_name_format(n, text, sizeof text);
	DNS_HOLDS(len > 0 && strlen(text) == (size_t)len);
	for (int i = 0; i < len; i++)
		DNS_HOLDS(text[i] > ' ' && text[i] <= '~'); /* nothing that moves a terminal */
	DNS_HOLDS(l4_dns_name_from_text(&back, text) == L4_OK);
	DNS_HOLDS(back.len == n->len && memcmp(back.b, n->b, n->len) == 0);
	DNS_HOLDS(l4_dns_name_eq(&back, n));
}

static inline void exercise_dns_rr(
    struct l4_dns_writer *w, const struct l4_dns_rr *rr, const uint8_t *msg, size_t len)
{
	struct l4_dns_rdata d;
	static char text[400000]; /* 65535 bytes as \DDD */
	exercise_dns_name(&rr->name);
	DNS_HOLDS(rr->rdata_off <= len && rr->rdata_len <= len - rr->rdata_off);
	if (rr->section == L4_DNS_QUESTION) {
		DNS_HOLDS(l4_dns_rr_format(rr, msg, len, text, sizeof text) > 0);
		if (w)
			(void)l4_dns_add_question(w, &rr->name, rr->type, rr->class_);
		return;
	}
	int rc = l4_dns_rdata_parse(&d, rr, msg, len);
	DNS_HOLDS(rc == L4_OK || rc == L4_EMALFORMED);
	int n = l4_dns_rr_format(rr, msg, len, text, sizeof text);
	DNS_HOLDS((n > 0) == (rc == L4_OK));
	if (n < 0 || !w)
		return;
	DNS_HOLDS(strlen(text) == (size_t)n);
	for (int i = 0; i < n; i++)
		DNS_HOLDS(text[i] == '\t' || (text[i] >= ' ' && text[i] <= '~'));
	char *exact = malloc((size_t)n + 1); /* room for exactly this, and for one less */
	DNS_HOLDS(l4_dns_rr_format(rr, msg, len, exact, (size_t)n + 1) == n);
	DNS_HOLDS(l4_dns_rr_format(rr, msg, len, exact, (size_t)n) == L4_ETRUNC);
	free(exact);
	if (rr->class_ == L4_DNS_IN && d.type != L4_DNS_OPT)
		(void)l4_dns_add_rr(w, rr->section, &rr->name, rr->ttl_s, &d);
}

/* Walks a message and reads all of it as text; when thorough, also writes what it says anew and
 * tries outputs of exact size. */
static inline void exercise_dns(const uint8_t *msg, size_t len, bool thorough)
{
	struct l4_dns_iter it;
	struct l4_dns_hdr h;
	struct l4_dns_rr rr;
	struct l4_dns_opt opt;
	struct l4_addr addrs[4];
	static uint8_t out[70000];
	struct l4_dns_writer w;
	int rc = l4_dns_iter_init(&it, &h, msg, len);
	DNS_HOLDS(rc == (len < 12 ? L4_ETRUNC : L4_OK));
	if (rc < 0)
		return;
	DNS_HOLDS(l4_dns_writer_init(&w, out, sizeof out, &h) == L4_OK);
	size_t steps = 0;
	while ((rc = l4_dns_iter_next(&it, &rr)) > 0) {
		DNS_HOLDS(it.off <= len);
		DNS_HOLDS(++steps <= len); /* each record takes bytes */
		exercise_dns_rr(thorough ? &w : NULL, &rr, msg, len);
	}
	DNS_HOLDS(rc == 0 || rc == L4_ETRUNC || rc == L4_EMALFORMED);
	int check = l4_dns_check(msg, len);
	DNS_HOLDS(check <= 0 && (check == 0 || rc < 0 || check == L4_EMALFORMED));
	DNS_HOLDS(l4_dns_check(out, w.len) == L4_OK);
	rc = l4_dns_edns(&opt, msg, len);
	DNS_HOLDS(rc <= 1 && (rc != 1 || opt.udp_size >= 512));
	struct l4_dns_name q = dns_name("www.example.org");
	rc = l4_dns_addrs(addrs, 4, &q, msg, len);
	DNS_HOLDS(rc <= 4);
	(void)l4_dns_is_answer(msg, len, 0x1234, &q, L4_DNS_ANY, L4_DNS_IN);
}

#endif
