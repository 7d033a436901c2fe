/* Names of ports and users, sets of ports, and text that is safe to print.
 *
 * Ports are named by /etc/services, read whole at the first question, so that there is no list of
 * ours to grow stale. Users come from /etc/passwd for the same reason that it is read once and
 * without loading the name service switch; who is not there is asked of getpwuid. */
#define _GNU_SOURCE
#include "cli/ports_names.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The services file, its words cut into strings in place; tables hold offsets, 0 for none. */
static char *services;
static uint32_t service_tcp[65536], service_udp[65536];
static bool services_read;

/* A whole small file with a NUL behind it, or NULL; caller frees. */
static char *read_file(const char *path, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	if (fd < 0)
		return NULL;
	size_t cap = fstat(fd, &st) == 0 && st.st_size > 0 && st.st_size < 1 << 24
			 ? (size_t)st.st_size
			 : 65536;
	char *buf = malloc(cap + 1);
	size_t n = 0;
	while (buf && n < cap) {
		ssize_t r = read(fd, buf + n, cap - n);
		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			break;
		n += (size_t)r;
	}
	close(fd);
	if (buf)
		buf[n] = 0;
	*len = n;
	return buf;
}

/* A line of services(5): name, port/protocol, aliases (which we do not list but do find). */
static void services_line(char *line)
{
	char *save = NULL;
	char *hash = strchr(line, '#');
	if (hash)
		*hash = 0;
	char *name = strtok_r(line, " \t\r", &save);
	char *where = name ? strtok_r(NULL, " \t\r", &save) : NULL;
	if (!where)
		return;
	char *slash = NULL;
	unsigned long port = strtoul(where, &slash, 10);
	if (port > 65535 || slash == where || *slash != '/')
		return;
	uint32_t *table = !strcmp(slash, "/tcp")   ? service_tcp
			  : !strcmp(slash, "/udp") ? service_udp
						   : NULL;
	if (table && !table[port])
		table[port] = (uint32_t)(name - services);
}

static void services_load(void)
{
	if (services_read)
		return;
	services_read = true;
	size_t len;
	char *file = read_file("/etc/services", &len);
	if (!file)
		return;
	/* Offset 0 means none, so the text starts at 1. */
	services = malloc(len + 2);
	if (services) {
		services[0] = '\n';
		memcpy(services + 1, file, len + 1);
		char *save = NULL;
		for (char *l = strtok_r(services + 1, "\n", &save); l;
		     l = strtok_r(NULL, "\n", &save))
			services_line(l);
	}
	free(file);
}

const char *ports_service_name(uint16_t port, uint8_t proto)
{
	services_load();
	uint32_t at = proto == 17 ? service_udp[port] : service_tcp[port];
	return at ? services + at : NULL;
}

int ports_service_port(const char *name, uint8_t proto)
{
	services_load();
	for (int port = 0; port < 65536; port++) {
		uint32_t t = proto != 17 ? service_tcp[port] : 0;
		uint32_t u = proto != 6 ? service_udp[port] : 0;
		if ((t && !strcmp(services + t, name)) || (u && !strcmp(services + u, name)))
			return port;
	}
	/* Names that people use and the registry spells otherwise. */
	static const struct {
		const char *name;
		int port;
	} also[] = { { "dns", 53 }, { "rdp", 3389 }, { "postgres", 5432 }, { "www", 80 },
		{ "http-alt", 8080 }, { "memcached", 11211 }, { "vnc", 5900 }, { "smb", 445 } };
	for (size_t i = 0; i < sizeof also / sizeof *also; i++)
		if (!strcmp(also[i].name, name))
			return also[i].port;
	return -1;
}

const char *ports_class(uint16_t port)
{
	return port < 1024 ? "well-known" : port < 49152 ? "registered" : "dynamic";
}

/* --- users -------------------------------------------------------------------------------- */

struct user {
	uint32_t uid;
	char name[40];
};
static struct user *users;
static size_t n_users;
static bool users_read;

static void users_add(uint32_t uid, const char *name, size_t len)
{
	struct user *u = realloc(users, (n_users + 1) * sizeof *u);
	if (!u)
		return;
	users = u;
	u = &users[n_users++];
	u->uid = uid;
	if (len >= sizeof u->name)
		len = sizeof u->name - 1;
	memcpy(u->name, name, len);
	u->name[len] = 0;
}

static void users_load(void)
{
	size_t len;
	char *file = read_file("/etc/passwd", &len);
	users_read = true;
	for (char *line = file; line && *line;) {
		char *next = strchrnul(line, '\n');
		char *a = memchr(line, ':', (size_t)(next - line));
		char *b = a ? memchr(a + 1, ':', (size_t)(next - a - 1)) : NULL;
		if (b && isdigit((unsigned char)b[1]))
			users_add((uint32_t)strtoul(b + 1, NULL, 10), line, (size_t)(a - line));
		line = *next ? next + 1 : next;
	}
	free(file);
}

const char *ports_user_name(uint32_t uid)
{
	if (!users_read)
		users_load();
	for (size_t i = 0; i < n_users; i++)
		if (users[i].uid == uid)
			return users[i].name;
	char number[16];
	struct passwd *pw = getpwuid(uid);
	snprintf(number, sizeof number, "%u", uid);
	const char *name = pw ? pw->pw_name : number;
	users_add(uid, name, strlen(name));
	return n_users && users[n_users - 1].uid == uid ? users[n_users - 1].name : "?";
}

/* --- text --------------------------------------------------------------------------------- */

/* The length of the UTF-8 sequence at s (RFC 3629), or 0 when there is none. */
static size_t utf8_len(const unsigned char *s, size_t left)
{
	size_t n = s[0] < 0x80                   ? 1
		   : s[0] >= 0xc2 && s[0] < 0xe0 ? 2
		   : s[0] >= 0xe0 && s[0] < 0xf0 ? 3
		   : s[0] >= 0xf0 && s[0] < 0xf5 ? 4
						 : 0;
	if (n == 0 || n > left)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	/* Overlong forms, surrogates and what lies past U+10FFFF. */
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

void ports_json_string(FILE *f, const char *s, size_t len)
{
	const unsigned char *p = (const unsigned char *)s;
	putc('"', f);
	for (size_t i = 0; i < len;) {
		size_t n = utf8_len(p + i, len - i);
		if (p[i] == '"' || p[i] == '\\')
			fprintf(f, "\\%c", p[i]);
		else if (p[i] == '\n')
			fputs("\\n", f);
		else if (p[i] < 0x20 || p[i] == 0x7f || n == 0)
			fprintf(f, "\\u%04x", p[i]);
		else
			fwrite(p + i, 1, n, f);
		i += n ? n : 1;
	}
	putc('"', f);
}

void ports_print_safe(FILE *f, const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];
		if (c < 0x20 || c >= 0x7f)
			fprintf(f, "\\x%02x", c);
		else
			putc(c, f);
	}
}

/* --- sets --------------------------------------------------------------------------------- */

static int port_number(const char *s, uint8_t proto)
{
	char *end;
	if (!isdigit((unsigned char)*s))
		return ports_service_port(s, proto);
	unsigned long v = strtoul(s, &end, 10);
	return *end || v > 65535 ? -1 : (int)v;
}

const char *ports_set_parse(struct ports_set *set, const char *text, uint8_t proto)
{
	static char message[160];
	char item[64];
	memset(set, 0, sizeof *set);
	if (!*text)
		return "no port is named";
	for (const char *p = text; *p;) {
		size_t len = strcspn(p, ",");
		if (len == 0 || len >= sizeof item) {
			snprintf(
			    message, sizeof message, "'%.60s' has an empty or too long item", text);
			return message;
		}
		memcpy(item, p, len);
		item[len] = 0;
		p += len;
		if (*p == ',' && !*++p) {
			snprintf(message, sizeof message, "'%.60s' ends with a comma", text);
			return message;
		}
		/* A name may contain a dash; it is a range only when a digit stands at its side. */
		int lo = port_number(item, proto), hi = lo;
		char *dash = strchr(item, '-');
		if (lo < 0 && dash) {
			*dash = 0;
			lo = dash == item ? 1 : port_number(item, proto);
			hi = dash[1] ? port_number(dash + 1, proto) : 65535;
			*dash = '-';
		}
		if (lo < 0 || hi < lo) {
			snprintf(message, sizeof message,
			    "'%s' is no port: a number to 65535, a range as 1-1024, or a name of "
			    "/etc/services",
			    item);
			return message;
		}
		for (int port = lo; port <= hi; port++)
			ports_set_add(set, (uint16_t)port);
	}
	return NULL;
}

size_t ports_set_count(const struct ports_set *s)
{
	size_t n = 0;
	for (size_t i = 0; i < 1024; i++)
		n += (size_t)__builtin_popcountll(s->bits[i]);
	return n;
}
