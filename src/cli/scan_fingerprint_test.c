/* The fingerprints against what servers said: a row is an answer as it came, from Debian 12's
 * packages unless noted, and what it is to be judged as. That servers still say it is for
 * tests/net/scan_services.py to see, for those which that starts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/scan_services.h"

struct row {
	const char *probe;
	const char *answer;
	size_t len;
	const char *service, *product, *version, *info;
};

#define ROW(probe, answer, ...)                               \
	{                                                     \
		probe, answer, sizeof answer - 1, __VA_ARGS__ \
	}

static const struct row rows[] = {
	ROW("banner", "220 ProFTPD Server (x) [10.9.0.2]\r\n", "ftp", "ProFTPD", "", ""),
	ROW("banner", "220 (vsFTPd 3.0.3)\r\n", "ftp", "vsftpd", "3.0.3", ""),
	ROW("banner", "220 mail.example ESMTP OpenSMTPD\r\n", "smtp", "OpenSMTPD", "",
	    "host mail.example"),
	/* From the programs' manuals: */
	ROW("banner", "220 mail.example ESMTP Postfix (Debian/GNU)\r\n", "smtp", "Postfix smtpd",
	    "", "host mail.example; Debian/GNU"),
	ROW("banner", "220 mail.example ESMTP Exim 4.96 Sat, 21 Nov 2026 14:00:00 +0000\r\n",
	    "smtp", "Exim smtpd", "4.96", "host mail.example"),
	ROW("banner", "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u10\r\n", "ssh", "OpenSSH",
	    "9.2p1 Debian-2+deb12u10", "protocol 2.0"),
	ROW("banner", "+OK Dovecot (Debian) ready.\r\n", "pop3", "Dovecot pop3d", "", "Debian"),
	ROW("banner",
	    "* OK [CAPABILITY IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL+ "
	    "LOGINDISABLED] Dovecot (Debian) ready.\r\n",
	    "imap", "Dovecot imapd", "", "Debian"),
	ROW("banner", "* OK Waiting for authentication process to respond..\r\n", "imap",
	    "Dovecot imapd", "", ""),
	ROW("banner",
	    "\x43\0\0\0\xff\x6a\x04Host '10.9.0.1' is not allowed to connect to this MariaDB "
	    "server",
	    "mysql", "MariaDB", "", "this host is not allowed to connect"),
	ROW("banner",
	    "\x5b\0\0\0\x0a"
	    "5.5.5-10.11.6-MariaDB-0+deb12u1\0\x04\0\0\0",
	    "mysql", "MariaDB", "10.11.6", ""),
	ROW("banner",
	    "\x4a\0\0\0\x0a"
	    "8.0.36\0\x08\0\0\0",
	    "mysql", "MySQL", "8.0.36", ""),
	ROW("banner", "RFB 003.008\n", "vnc", "VNC", "", "protocol 3.8"),
	ROW("banner", "\xff\xfb%\xff\xfb&\xff\xfd\x18\xff\xfd \xff\xfd#\xff\xfd'\xff\xfd$",
	    "telnet", "", "", ""),
	ROW("dns",
	    "\x00\x51\x4c\x34\x84\x00\x00\x01\x00\x01\x00\x01\x00\x00\x07version\x04"
	    "bind\x00"
	    "\x00\x10\x00\x03\xc0\x0c\x00\x10\x00\x03\x00\x00\x00\x00\x00\x19\x18"
	    "9.18.49-1~deb12u3-Debian\xc0\x0c\x00\x02\x00\x03\x00\x00\x00\x00\x00\x02\xc0\x0c",
	    "domain", "ISC BIND", "9.18.49-1~deb12u3-Debian", ""),
	ROW("smb",
	    "\x00\x00\x00\xca\xfe\x53\x4d\x42\x40\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00"
	    "\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	    "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	    "\x00\x00\x00\x00\x00\x00\x00\x00\x41\x00\x01\x00\x02\x03\x00\x00\x76\x6d\x00\x00"
	    "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07\x00\x00\x00",
	    "microsoft-ds", "Samba smbd", "", "host vm"),
	/* The same with a GUID that is no name. */
	ROW("smb",
	    "\x00\x00\x00\xca\xfe\x53\x4d\x42\x40\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00"
	    "\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	    "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	    "\x00\x00\x00\x00\x00\x00\x00\x00\x41\x00\x01\x00\x10\x02\x00\x00\x8e\x01\x9c\x11"
	    "\xd2\x80\x03\xfe\x01\x02\x03\x04\x05\x06\x07\x08\x07\x00\x00\x00",
	    "microsoft-ds", "SMB server", "", "dialect 2.1"),
	ROW("rdp", "\x03\0\0\x13\x0e\xd0\0\0\x12\x34\0\x02\x01\x08\0\x01\0\0\0", "ms-wbt-server",
	    "Remote Desktop", "", ""),
	ROW("http",
	    "HTTP/1.1 404 Not Found\r\nDate: Sat, 21 Nov 2026 14:18:32 GMT\r\nServer: "
	    "Apache/2.4.71 "
	    "(Debian)\r\nContent-Length: 236\r\n\r\n<html><title>404 Not Found</title>",
	    "http", "Apache httpd", "2.4.71", "404 Not Found"),
	ROW("http",
	    "HTTP/1.1 403 Forbidden\r\nContent-Length: 341\r\nServer: lighttpd/1.4.69\r\n\r\n"
	    "<title>403 Forbidden</title>",
	    "http", "lighttpd", "1.4.69", "403 Forbidden"),
	ROW("http", "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\n\r\n", "http", "nginx", "1.22.1",
	    ""),
	ROW("redis", "$412\r\n# Server\r\nredis_version:7.0.15\r\nos:Linux 6.1\r\n", "redis",
	    "Redis", "7.0.15", "Linux 6.1"),
	ROW("memcached", "VERSION 1.6.18\r\n", "memcached", "Memcached", "1.6.18", ""),
};

static struct scan_fingerprints *load(void)
{
	char path[4096], error[256] = "";
	const char *root = getenv("L4_SOURCE_ROOT");
	snprintf(path, sizeof path, "%s/data/fingerprints", root ? root : ".");
	struct scan_fingerprints *f = scan_fingerprints_load(path, error, sizeof error);
	if (!f)
		print_error("%s\n", error);
	assert_non_null(f);
	return f;
}

static void test_answers(void **state)
{
	struct scan_fingerprints *f = load();
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const struct row *r = &rows[i];
		struct scan_service s = { 0 };
		unsigned sure =
		    scan_fingerprints_match(f, r->probe, (const uint8_t *)r->answer, r->len, &s);
		if (sure < 8 || strcmp(s.name, r->service) || strcmp(s.product, r->product) ||
		    strcmp(s.version, r->version) || strcmp(s.info, r->info))
			print_error("row %zu: %s/%s/%s/%s, confidence %u\n", i, s.name, s.product,
			    s.version, s.info, sure);
		assert_string_equal(s.name, r->service);
		assert_string_equal(s.product, r->product);
		assert_string_equal(s.version, r->version);
		assert_string_equal(s.info, r->info);
		assert_true(sure >= 8);
	}
	scan_fingerprints_free(f);
}

/* Cut anywhere or with a byte changed, an answer may be judged otherwise, but always is. */
static void test_damaged(void **state)
{
	struct scan_fingerprints *f = load();
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		for (size_t len = 0; len <= rows[i].len; len++) {
			/* A copy of its own size: reading past it is seen by the sanitizer. */
			uint8_t *p = malloc(len + !len);
			struct scan_service s = { 0 };
			assert_non_null(p);
			memcpy(p, rows[i].answer, len);
			scan_fingerprints_match(f, rows[i].probe, p, len, &s);
			if (len)
				p[len / 2] ^= 0x80;
			unsigned sure = scan_fingerprints_match(f, rows[i].probe, p, len, &s);
			assert_true(sure <= 10 && s.confidence <= 10);
			free(p);
		}
	}
	scan_fingerprints_free(f);
}

/* What is sent is what the protocol asks for, as far as a length says it. */
static void test_probes(void **state)
{
	struct scan_fingerprints *f = load();
	const struct scan_probe *p;
	size_t n = scan_fingerprints_probes(f, &p), seen = 0;
	(void)state;
	for (size_t i = 0; i < n; i++) {
		const uint8_t *b = p[i].send;
		if (!strcmp(p[i].name, "smb")) {
			/* MS-SMB2 2.1: four bytes of length; 2.2.1.2: a header of 64 bytes, then
			 * the negotiation's structure size of 36 and its count of dialects. */
			assert_int_equal(scan_get32(b), p[i].send_len - 4);
			assert_int_equal(b[4 + 64], 36);
			assert_int_equal(p[i].send_len, 4 + 64 + 36 + 2u * b[4 + 64 + 2]);
			seen++;
		} else if (!strcmp(p[i].name, "rdp")) {
			assert_int_equal(scan_get16(b + 2), p[i].send_len); /* RFC 1006 6 */
			seen++;
		} else if (!strcmp(p[i].name, "dns")) {
			assert_int_equal(scan_get16(b), p[i].send_len - 2); /* RFC 1035 4.2.2 */
			seen++;
		} else if (!strcmp(p[i].name, "rpc")) {
			assert_int_equal(
			    scan_get32(b) & 0x7fffffff, p[i].send_len - 4); /* RFC 5531 11 */
			seen++;
		} else if (!strcmp(p[i].name, "mqtt") || !strcmp(p[i].name, "ldap")) {
			assert_int_equal(b[1], p[i].send_len - 2);
			seen++;
		} else if (!strcmp(p[i].name, "postgres")) {
			assert_int_equal(scan_get32(b), p[i].send_len);
			seen++;
		} else if (!strcmp(p[i].name, "ntp-udp")) {
			assert_int_equal(p[i].send_len, 48); /* RFC 5905 7.3 */
			seen++;
		}
	}
	assert_int_equal(seen, 8);
	scan_fingerprints_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_probes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
