/* DNS messages: header, walk over the records, and what a stub resolver asks of an answer
 * (RFC 1035 4.1, RFC 5452 9).
 *
 * The counts of the header are only ever counted down while records are really there; nothing is
 * reserved by them. */
#include <layer4/dns.h>

#include <string.h>

#include "base/cursor.h"

int l4_dns_hdr_parse(struct l4_dns_hdr *out, const void *msg, size_t len)
{
	struct l4_rd r = l4_rd_init(msg, len);
	out->id = l4_rd_u16(&r);
	uint16_t f = l4_rd_u16(&r);
	out->qr = f & 0x8000;
	out->opcode = f >> 11 & 15;
	out->aa = f & 0x0400;
	out->tc = f & 0x0200;
	out->rd = f & 0x0100;
	out->ra = f & 0x0080;
	out->ad = f & 0x0020;
	out->cd = f & 0x0010;
	out->rcode = f & 15;
	for (int i = 0; i < 4; i++)
		out->count[i] = l4_rd_u16(&r);
	return l4_rd_ok(&r) ? L4_DNS_HDR_LEN : L4_ETRUNC;
}

int l4_dns_iter_init(struct l4_dns_iter *it, struct l4_dns_hdr *hdr, const void *msg, size_t len)
{
	struct l4_dns_hdr h;
	int rc = l4_dns_hdr_parse(&h, msg, len);
	if (rc < 0)
		return rc;
	if (hdr)
		*hdr = h;
	*it = (struct l4_dns_iter){ .msg = msg, .len = len, .off = L4_DNS_HDR_LEN };
	memcpy(it->left, h.count, sizeof it->left);
	return L4_OK;
}

int l4_dns_iter_next(struct l4_dns_iter *it, struct l4_dns_rr *out)
{
	while (it->section < L4_DNS_ADDITIONAL && it->left[it->section] == 0)
		it->section++;
	if (it->left[it->section] == 0)
		return 0;
	int n = l4_dns_name_parse(&out->name, it->msg, it->len, it->off);
	if (n < 0)
		return n;
	size_t at = it->off + (size_t)n;
	struct l4_rd r = l4_rd_init(it->msg + at, it->len - at);
	out->section = it->section;
	out->type = l4_rd_u16(&r);
	out->class_ = l4_rd_u16(&r);
	out->ttl_s = 0;
	out->rdata_len = 0;
	if (it->section != L4_DNS_QUESTION) {
		out->ttl_s = l4_rd_u32(&r);
		if (out->ttl_s > INT32_MAX && out->type != L4_DNS_OPT)
			out->ttl_s = 0; /* RFC 2181 8 */
		out->rdata_len = l4_rd_u16(&r);
	}
	out->rdata_off = it->len - l4_rd_left(&r);
	l4_rd_skip(&r, out->rdata_len);
	if (!l4_rd_ok(&r))
		return L4_ETRUNC;
	it->off = it->len - l4_rd_left(&r);
	it->left[it->section]--;
	return 1;
}

int l4_dns_check(const void *msg, size_t len)
{
	struct l4_dns_iter it;
	struct l4_dns_rr rr;
	struct l4_dns_rdata data;
	int rc = l4_dns_iter_init(&it, NULL, msg, len);
	if (rc < 0)
		return rc;
	while ((rc = l4_dns_iter_next(&it, &rr)) > 0) {
		if (rr.section == L4_DNS_QUESTION)
			continue;
		rc = l4_dns_rdata_parse(&data, &rr, msg, len);
		if (rc < 0)
			return rc;
	}
	return rc;
}

bool l4_dns_is_answer(const void *msg, size_t len, uint16_t id, const struct l4_dns_name *name,
    uint16_t type, uint16_t class_)
{
	struct l4_dns_iter it;
	struct l4_dns_hdr h;
	struct l4_dns_rr q;
	if (l4_dns_iter_init(&it, &h, msg, len) < 0 || !h.qr || h.id != id || h.opcode != 0)
		return false;
	if (h.count[L4_DNS_QUESTION] != 1 || l4_dns_iter_next(&it, &q) != 1)
		return false;
	return q.type == type && q.class_ == class_ && l4_dns_name_eq(&q.name, name);
}

/* The CNAME of name in the answer section: 1 and *name replaced, 0 for none. */
static int follow_once(struct l4_dns_name *name, const void *msg, size_t len)
{
	struct l4_dns_iter it;
	struct l4_dns_rr rr;
	struct l4_dns_rdata data;
	int rc = l4_dns_iter_init(&it, NULL, msg, len);
	if (rc < 0)
		return rc;
	while ((rc = l4_dns_iter_next(&it, &rr)) > 0 && rr.section <= L4_DNS_ANSWER) {
		if (rr.section != L4_DNS_ANSWER || rr.type != L4_DNS_CNAME ||
		    rr.class_ != L4_DNS_IN || !l4_dns_name_eq(&rr.name, name))
			continue;
		rc = l4_dns_rdata_parse(&data, &rr, msg, len);
		if (rc < 0)
			return rc;
		*name = data.u.name;
		return 1;
	}
	return rc < 0 ? rc : 0;
}

int l4_dns_follow(struct l4_dns_name *name, const void *msg, size_t len)
{
	for (int n = 0; n <= L4_DNS_CHAIN_MAX; n++) {
		int rc = follow_once(name, msg, len);
		if (rc <= 0)
			return rc < 0 ? rc : n;
	}
	return L4_ELIMIT;
}

int l4_dns_addrs(
    struct l4_addr *out, size_t max, const struct l4_dns_name *name, const void *msg, size_t len)
{
	struct l4_dns_name owner = *name;
	struct l4_dns_iter it;
	struct l4_dns_rr rr;
	struct l4_dns_rdata data;
	size_t n = 0;
	int rc = l4_dns_follow(&owner, msg, len);
	if (rc < 0)
		return rc;
	(void)l4_dns_iter_init(&it, NULL, msg, len); /* it worked a moment ago */
	while ((rc = l4_dns_iter_next(&it, &rr)) > 0 && rr.section <= L4_DNS_ANSWER && n < max) {
		if (rr.section != L4_DNS_ANSWER || rr.class_ != L4_DNS_IN ||
		    (rr.type != L4_DNS_A && rr.type != L4_DNS_AAAA) ||
		    !l4_dns_name_eq(&rr.name, &owner))
			continue;
		rc = l4_dns_rdata_parse(&data, &rr, msg, len);
		if (rc < 0)
			return rc;
		out[n++] = data.u.addr;
	}
	return rc < 0 ? rc : (int)n;
}
