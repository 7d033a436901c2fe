/* Signals: the first asks the command to end cleanly, the second does not ask. */
#include "cli/signals.h"

#include <signal.h>
#include <string.h>

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	stop = sig;
}

void signals_init(void)
{
	struct sigaction a;
	memset(&a, 0, sizeof(a));
	a.sa_handler = on_signal;
	a.sa_flags = (int)SA_RESETHAND; /* no SA_RESTART: poll must return */
	sigemptyset(&a.sa_mask);
	sigaction(SIGINT, &a, NULL);
	sigaction(SIGTERM, &a, NULL);
	sigaction(SIGHUP, &a, NULL);
	a.sa_handler = SIG_IGN;
	a.sa_flags = 0;
	sigaction(SIGPIPE, &a, NULL);
}

int signals_stop(void)
{
	return stop;
}
