/* Writing JSON (RFC 8259): strings; everything else is a print. */
#include "cli/json.h"

#include <stdint.h>
#include <string.h>

/* Length of the well-formed UTF-8 sequence at p, 0 when there is none (RFC 3629 4). */
static size_t utf8_len(const unsigned char *p, size_t left)
{
	size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	if (p[0] < 0xc2 || p[0] > 0xf4 || left < n)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

void json_str(FILE *f, const char *text, size_t len)
{
	const unsigned char *p = (const unsigned char *)text;
	putc('"', f);
	for (size_t i = 0; i < len;) {
		unsigned char c = p[i];
		size_t n = 1;
		if (c == '"' || c == '\\') {
			putc('\\', f);
			putc(c, f);
		} else if (c < 0x20 || c == 0x7f) {
			fprintf(f, "\\u%04x", c);
		} else if (c < 0x80) {
			putc(c, f);
		} else if ((n = utf8_len(p + i, len - i)) > 0) {
			fwrite(p + i, 1, n, f);
		} else {
			fputs("\xef\xbf\xbd", f);
			n = 1;
		}
		i += n;
	}
	putc('"', f);
}

void json_cstr(FILE *f, const char *text)
{
	json_str(f, text, strlen(text));
}
