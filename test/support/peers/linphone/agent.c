/*
 * liblinphone as a user agent of its own for the interop tests: pager messages in CPIM with IMDN, and composing states. A program by itself; the
 * product links none of it.
 *
 *   linphone-agent IDENTITY PASSWORD PROXY FOLDER [CA]
 *
 * CA, a PEM file, is what it trusts over TLS.
 *
 * It registers at once, takes one command a line on stdin, and says what happens, one line each on stdout, words between tabs; an error of its own
 * ends it with status 1. Texts hold no line break.
 *
 *   send TO TEXT       -> state TEXT STATE as it changes (delivered, delivered-to-user, displayed, not-delivered)
 *   composing TO       liblinphone says "idle" by itself later
 *   read FROM          marks all of FROM's messages as displayed
 *   quit               -> signed-off
 *                      -> registered | failed REASON | message FROM TEXT | composing FROM 0|1
 */
#include <errno.h>
#include <fcntl.h>
#include <linphone/core.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STEP_MICROSECONDS = 20000, LINE_BYTES = 70000, SIGN_OFF_STEPS = 100 };

static void say(const char *kind, const char *first, const char *second) {
	printf("%s\t%s\t%s\n", kind, first, second);
	fflush(stdout);
}

static void fail(const char *what) {
	fprintf(stderr, "linphone-agent: %s\n", what);
	exit(1);
}

static void on_registration(LinphoneCore *core, LinphoneAccount *account, LinphoneRegistrationState state, const char *message) {
	(void)core;
	(void)account;
	if (state == LinphoneRegistrationOk) say("registered", "", "");
	if (state == LinphoneRegistrationCleared) say("signed-off", "", "");
	if (state == LinphoneRegistrationFailed) say("failed", message, "");
}

static void address_of(LinphoneChatRoom *room, char *into, size_t size) {
	char *text = linphone_address_as_string_uri_only(linphone_chat_room_get_peer_address(room));
	snprintf(into, size, "%s", text);
	bctbx_free(text);
}

static void on_message(LinphoneCore *core, LinphoneChatRoom *room, LinphoneChatMessage *message) {
	char from[512];
	const char *text = linphone_chat_message_get_utf8_text(message);
	(void)core;
	address_of(room, from, sizeof from);
	say("message", from, text == NULL ? "" : text);
}

static void on_composing(LinphoneCore *core, LinphoneChatRoom *room) {
	char from[512];
	(void)core;
	address_of(room, from, sizeof from);
	say("composing", from, linphone_chat_room_is_remote_composing(room) ? "1" : "0");
}

static void on_state(LinphoneChatMessage *message, LinphoneChatMessageState state) {
	static const struct {
		LinphoneChatMessageState state;
		const char *name;
	} names[] = {
	    {LinphoneChatMessageStateInProgress, "in-progress"},
	    {LinphoneChatMessageStateDelivered, "delivered"},
	    {LinphoneChatMessageStateDeliveredToUser, "delivered-to-user"},
	    {LinphoneChatMessageStateDisplayed, "displayed"},
	    {LinphoneChatMessageStateNotDelivered, "not-delivered"},
	};
	for (size_t index = 0; index < sizeof names / sizeof *names; index++)
		if (names[index].state == state) say("state", linphone_chat_message_get_utf8_text(message), names[index].name);
}

static LinphoneChatRoom *room_with(LinphoneCore *core, const char *peer) {
	LinphoneAddress *address = linphone_factory_create_address(linphone_factory_get(), peer);
	LinphoneChatRoom *room;
	if (address == NULL) fail("no address of the other side");
	room = linphone_core_get_chat_room(core, address);
	linphone_address_unref(address);
	if (room == NULL) fail("no chat with the other side");
	return room;
}

static void send_text(LinphoneCore *core, const char *to, const char *text) {
	LinphoneChatMessage *message = linphone_chat_room_create_message_from_utf8(room_with(core, to), text);
	LinphoneChatMessageCbs *callbacks = linphone_factory_create_chat_message_cbs(linphone_factory_get());
	linphone_chat_message_cbs_set_msg_state_changed(callbacks, on_state);
	linphone_chat_message_add_callbacks(message, callbacks);
	linphone_chat_message_cbs_unref(callbacks);
	/* It stays alive: its state goes on to change until the end. */
	linphone_chat_message_send(message);
}

static int obey(LinphoneCore *core, char *line) {
	char *command = strtok(line, "\t");
	char *peer = strtok(NULL, "\t");
	char *text = strtok(NULL, "");
	if (command == NULL) return 1;
	if (strcmp(command, "quit") == 0) return 0;
	if (peer == NULL) fail("a command without its other side");
	if (strcmp(command, "send") == 0) send_text(core, peer, text == NULL ? "" : text);
	else if (strcmp(command, "composing") == 0) linphone_chat_room_compose(room_with(core, peer));
	else if (strcmp(command, "read") == 0) linphone_chat_room_mark_as_read(room_with(core, peer));
	else fail("an unknown command");
	return 1;
}

/* One step of liblinphone, and every whole line that has come on stdin. 0 at "quit" or the end of stdin. */
static int step(LinphoneCore *core) {
	static char kept[LINE_BYTES];
	static size_t length = 0;
	ssize_t got;
	char *end;
	linphone_core_iterate(core);
	usleep(STEP_MICROSECONDS);
	got = read(STDIN_FILENO, kept + length, sizeof kept - length - 1);
	if (got == 0) return 0;
	if (got < 0) {
		if (errno != EAGAIN && errno != EWOULDBLOCK) fail("stdin cannot be read");
		return 1;
	}
	length += (size_t)got;
	kept[length] = '\0';
	while ((end = strchr(kept, '\n')) != NULL) {
		size_t used = (size_t)(end - kept) + 1;
		*end = '\0';
		if (!obey(core, kept)) return 0;
		memmove(kept, kept + used, length - used + 1);
		length -= used;
	}
	if (length >= sizeof kept - 1) fail("a command is too long");
	return 1;
}

static LinphoneCore *create_core(const char *folder, const char *authority) {
	LinphoneFactory *factory = linphone_factory_get();
	LinphoneCoreCbs *callbacks = linphone_factory_create_core_cbs(factory);
	LinphoneConfig *config;
	LinphoneCore *core;
	char file[4096];
	/* Its warnings would stand between the lines on stdout. */
	linphone_logging_service_set_log_level(linphone_logging_service_get(), LinphoneLogLevelFatal);
	/* It joins folder and file names without a slash between them. */
	snprintf(file, sizeof file, "%s/", folder);
	linphone_factory_set_config_dir(factory, file);
	linphone_factory_set_data_dir(factory, file);
	snprintf(file, sizeof file, "%s/linphonerc", folder);
	config = linphone_config_new(file);
	snprintf(file, sizeof file, "%s/linphone.db", folder);
	linphone_config_set_string(config, "storage", "uri", file);
	/* Nothing but TCP or TLS, from a port of the system's choice; no names are looked up, nothing is fetched. */
	linphone_config_set_int(config, "sip", "sip_port", 0);
	linphone_config_set_int(config, "sip", "sip_tcp_port", authority == NULL ? -1 : 0);
	linphone_config_set_int(config, "sip", "sip_tls_port", authority == NULL ? 0 : -1);
	if (authority != NULL) {
		linphone_config_set_string(config, "sip", "root_ca", authority);
		/* It looks for names only, and the server is known by its address. */
		linphone_config_set_int(config, "sip", "verify_server_cn", 0);
	}
	linphone_config_set_string(config, "sip", "bind_address", "127.0.0.1");
	linphone_config_set_int(config, "sip", "use_ipv6", 0);
	linphone_config_set_int(config, "net", "dns_srv_enabled", 0);
	core = linphone_factory_create_core_with_config_3(factory, config, NULL);
	if (core == NULL) fail("liblinphone does not start");
	linphone_core_cbs_set_account_registration_state_changed(callbacks, on_registration);
	linphone_core_cbs_set_message_received(callbacks, on_message);
	linphone_core_cbs_set_is_composing_received(callbacks, on_composing);
	linphone_core_add_callbacks(core, callbacks);
	linphone_core_cbs_unref(callbacks);
	linphone_core_set_user_agent(core, "linphone-agent", linphone_core_get_version());
	linphone_im_notif_policy_enable_all(linphone_core_get_im_notif_policy(core));
	return core;
}

static void sign_in(LinphoneCore *core, const char *identity, const char *password, const char *proxy) {
	LinphoneFactory *factory = linphone_factory_get();
	LinphoneAddress *address = linphone_factory_create_address(factory, identity);
	LinphoneAddress *server = linphone_factory_create_address(factory, proxy);
	LinphoneAccountParams *params = linphone_core_create_account_params(core);
	LinphoneAuthInfo *secret;
	LinphoneAccount *account;
	if (address == NULL || server == NULL) fail("an address that cannot be read");
	secret = linphone_factory_create_auth_info(factory, linphone_address_get_username(address), NULL, password, NULL, NULL,
	                                           linphone_address_get_domain(address));
	linphone_core_add_auth_info(core, secret);
	linphone_auth_info_unref(secret);
	linphone_account_params_set_identity_address(params, address);
	linphone_account_params_set_server_address(params, server);
	linphone_account_params_set_outbound_proxy_enabled(params, TRUE);
	linphone_account_params_set_register_enabled(params, TRUE);
	linphone_account_params_enable_cpim_in_basic_chat_room(params, TRUE);
	account = linphone_core_create_account(core, params);
	if (linphone_core_add_account(core, account) != 0) fail("the account is refused");
	linphone_core_set_default_account(core, account);
	linphone_account_params_unref(params);
	linphone_address_unref(address);
	linphone_address_unref(server);
}

int main(int count, char **words) {
	LinphoneCore *core;
	if (count != 5 && count != 6) fail("IDENTITY PASSWORD PROXY FOLDER [CA]");
	fcntl(STDIN_FILENO, F_SETFL, fcntl(STDIN_FILENO, F_GETFL) | O_NONBLOCK);
	core = create_core(words[4], count == 6 ? words[5] : NULL);
	linphone_core_start(core);
	sign_in(core, words[1], words[2], words[3]);
	while (step(core)) continue;
	linphone_core_stop(core);
	linphone_core_unref(core);
	return 0;
}
