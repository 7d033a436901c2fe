/* Example of <layer4/dns.h>: a question for addresses, the answer a server would give, and what a
 * client takes from it. */
#include <layer4/dns.h>

#include <stdio.h>
#include <string.h>

int main(void)
{
	unsigned char query[L4_DNS_UDP_MAX], answer[L4_DNS_UDP_MAX];
	struct l4_dns_name name;
	struct l4_dns_writer w;
	struct l4_dns_hdr hdr;
	struct l4_addr addr, found[4];
	char text[L4_ADDR_TEXT_MAX];
	int n;

	/* The client asks. */
	if (l4_dns_name_from_text(&name, "www.example.org") < 0)
		return 1;
	n = l4_dns_query_emit(
	    query, sizeof(query), 0x1234, &name, L4_DNS_A, L4_DNS_EDNS_SIZE, false);
	if (n < 0 || l4_dns_hdr_parse(&hdr, query, (size_t)n) < 0)
		return 1;

	/* The server answers. */
	hdr.qr = true;
	if (l4_addr_parse(&addr, "192.0.2.80") < 0 ||
	    l4_dns_writer_init(&w, answer, sizeof(answer), &hdr) < 0 ||
	    l4_dns_add_question(&w, &name, L4_DNS_A, L4_DNS_IN) < 0 ||
	    l4_dns_add_addr(&w, L4_DNS_ANSWER, &name, 300, &addr) < 0)
		return 1;

	/* The client believes only an answer to its own question. */
	if (!l4_dns_is_answer(answer, w.len, 0x1234, &name, L4_DNS_A, L4_DNS_IN) ||
	    l4_dns_is_answer(answer, w.len, 0x1235, &name, L4_DNS_A, L4_DNS_IN))
		return 1;
	n = l4_dns_addrs(found, 4, &name, answer, w.len);
	if (n != 1)
		return 1;
	l4_addr_format(&found[0], text, sizeof(text));
	printf("www.example.org is %s\n", text);
	return !l4_addr_eq(&found[0], &addr);
}
