/* Names of ports and users, and safe text. Included by src/cli/ports*.c and scan*.c only. */
#ifndef L4_CLI_PORTS_NAMES_H
#define L4_CLI_PORTS_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* The name of a port in /etc/services, or NULL. proto is 6 or 17. The first call reads the file;
 * not safe from two threads before that. */
const char *ports_service_name(uint16_t port, uint8_t proto);
/* The port of a name; -1 when there is none for this protocol (0: any protocol). */
int ports_service_port(const char *name, uint8_t proto);
/* "well-known" to 1023, "registered" to 49151, "dynamic" (RFC 6335 section 6). */
const char *ports_class(uint16_t port);
/* The name of a user, or the number as text. Valid until the next call with another uid. */
const char *ports_user_name(uint32_t uid);

/* A JSON string with its quotes; bytes that are no UTF-8 are written as U+00XX. */
void ports_json_string(FILE *f, const char *s, size_t len);
/* Text from strangers on a terminal: control and 8-bit bytes as \xNN, at most max bytes of s. */
void ports_print_safe(FILE *f, const char *s, size_t len);

/* "80", "1-1024", "ssh", "-100", "60000-" joined by commas into a set of 65536 bits. Returns NULL,
 * or a message on what is wrong (in a static buffer). proto picks among names. */
struct ports_set {
	uint64_t bits[1024];
};
const char *ports_set_parse(struct ports_set *set, const char *text, uint8_t proto);
static inline bool ports_set_has(const struct ports_set *s, uint16_t port)
{
	return s->bits[port >> 6] >> (port & 63) & 1;
}
static inline void ports_set_add(struct ports_set *s, uint16_t port)
{
	s->bits[port >> 6] |= (uint64_t)1 << (port & 63);
}
size_t ports_set_count(const struct ports_set *s);

#endif
