/* Names of DNS types, classes, response codes and opcodes, both ways. */
#include <layer4/dns.h>

#include <string.h>

struct tok {
	uint16_t value;
	const char *name;
};

static const struct tok types[] = {
#define DNS_TYPE(name, value) { value, #name },
#include "wire/dns_types.def"
#undef DNS_TYPE
};

static const struct tok classes[] = {
	{ 1, "IN" },
	{ 3, "CH" },
	{ 4, "HS" },
	{ 254, "NONE" },
	{ 255, "ANY" },
};

static const struct tok rcodes[] = {
	{ 0, "NOERROR" },
	{ 1, "FORMERR" },
	{ 2, "SERVFAIL" },
	{ 3, "NXDOMAIN" },
	{ 4, "NOTIMP" },
	{ 5, "REFUSED" },
	{ 6, "YXDOMAIN" },
	{ 7, "YXRRSET" },
	{ 8, "NXRRSET" },
	{ 9, "NOTAUTH" },
	{ 10, "NOTZONE" },
	{ 11, "DSOTYPENI" },
	{ 16, "BADVERS" },
	{ 17, "BADKEY" },
	{ 18, "BADTIME" },
	{ 19, "BADMODE" },
	{ 20, "BADNAME" },
	{ 21, "BADALG" },
	{ 22, "BADTRUNC" },
	{ 23, "BADCOOKIE" },
};

static const struct tok opcodes[] = {
	{ 0, "QUERY" },
	{ 1, "IQUERY" },
	{ 2, "STATUS" },
	{ 4, "NOTIFY" },
	{ 5, "UPDATE" },
	{ 6, "DSO" },
};

#define N(a) (sizeof(a) / sizeof((a)[0]))

/* The value's name, or the prefix with its number (RFC 3597 5). */
static int format(
    const struct tok *t, size_t n, const char *prefix, unsigned value, char *text, size_t cap)
{
	char digits[8];
	const char *tail = "";
	for (size_t i = 0; i < n && *tail == '\0'; i++)
		if (t[i].value == value)
			tail = t[i].name;
	if (*tail) {
		prefix = "";
	} else {
		size_t at = sizeof digits - 1;
		digits[at] = '\0';
		do {
			digits[--at] = (char)('0' + value % 10);
			value /= 10;
		} while (value);
		tail = digits + at;
	}
	size_t head_len = strlen(prefix), tail_len = strlen(tail);
	if (head_len + tail_len >= cap)
		return L4_ETRUNC;
	memcpy(text, prefix, head_len);
	memcpy(text + head_len, tail, tail_len + 1);
	return (int)(head_len + tail_len);
}

int l4_dns_type_format(uint16_t type, char *text, size_t cap)
{
	return format(types, N(types), "TYPE", type, text, cap);
}

int l4_dns_class_format(uint16_t class_, char *text, size_t cap)
{
	return format(classes, N(classes), "CLASS", class_, text, cap);
}

int l4_dns_rcode_format(uint16_t rcode, char *text, size_t cap)
{
	return format(rcodes, N(rcodes), "RCODE", rcode, text, cap);
}

int l4_dns_opcode_format(uint8_t opcode, char *text, size_t cap)
{
	return format(opcodes, N(opcodes), "OPCODE", opcode, text, cap);
}

static char upper(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
}

/* The length of prefix when text begins with it in any case, else 0. */
static size_t begins(const char *text, const char *prefix)
{
	size_t i = 0;
	for (; prefix[i]; i++)
		if (upper(text[i]) != prefix[i])
			return 0;
	return i;
}

static int parse(const struct tok *t, size_t n, const char *prefix, const char *text)
{
	for (size_t i = 0; i < n; i++) {
		size_t k = begins(text, t[i].name);
		if (k && text[k] == '\0')
			return t[i].value;
	}
	const char *p = text + begins(text, prefix);
	unsigned v = 0;
	if (p == text || *p == '\0')
		return L4_ENOTFOUND;
	for (; *p; p++) {
		if (*p < '0' || *p > '9' || (v = v * 10 + (unsigned)(*p - '0')) > 65535)
			return L4_ENOTFOUND;
	}
	return (int)v;
}

int l4_dns_type_parse(const char *text)
{
	return parse(types, N(types), "TYPE", text);
}

int l4_dns_class_parse(const char *text)
{
	return parse(classes, N(classes), "CLASS", text);
}
