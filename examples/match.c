/* A question sent, and which of two packets heard answers it. */
#include <layer4/capfile.h>
#include <layer4/match.h>
#include <layer4/packet.h>

#include <stdio.h>

static size_t build(const char *text, unsigned char *buf, size_t cap)
{
	struct l4_craft_expr *x;
	struct l4_craft_error err;
	size_t n = 0;
	if (l4_craft_parse(&x, text, NULL, NULL, &err) == 0) {
		l4_craft_build(x, 0, 0, buf, cap, &n);
		l4_craft_free(x);
	}
	return n;
}

int main(void)
{
	static const char *const heard[] = {
		"ip(src=192.0.2.2,dst=192.0.2.1)/icmp(type=0,id=7,seq=1)",
		"ip(src=192.0.2.2,dst=192.0.2.1)/icmp(type=0,id=7,seq=2)",
		("ip(src=192.0.2.9,dst=192.0.2.1)/icmp(type=11)/"
		 "ip(src=192.0.2.1,dst=192.0.2.2)/icmp(id=7,seq=2)"),
	};
	unsigned char buf[1500];
	struct l4_match question, m;
	int found = 0;
	size_t n = build("ip(src=192.0.2.1,dst=192.0.2.2)/icmp(id=7,seq=2)", buf, sizeof buf);
	if (l4_match_sent(&question, L4_LINK_RAW, buf, n) < 0)
		return 1;
	for (int i = 0; i < 3; i++) {
		n = build(heard[i], buf, sizeof buf);
		int how = l4_match_heard(&m, L4_LINK_RAW, buf, n);
		bool is = m.key == question.key && l4_match_is(&question, &m);
		printf("%s: %s\n", heard[i],
		    !is                     ? "of no concern"
		    : how == L4_MATCH_ERROR ? "an error that quotes it"
					    : "the answer");
		found += is;
	}
	return found == 2 ? 0 : 1;
}
