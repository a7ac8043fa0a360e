"""Request Tracker 5 of Debian 12, with SQLite, as a private instance: no root, no mail leaves the folder."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.tickets.servers import free_port, need, wait_until_served

SERVER = "/usr/share/request-tracker5/libexec/rt-server"
SETUP = "/usr/sbin/rt-setup-database-5"
LIBRARIES = ("-I/usr/share/request-tracker5/lib", "-I/usr/local/share/request-tracker5/lib")
RIGHTS = (
    "SeeQueue ShowTicket ShowTicketComments CreateTicket CommentOnTicket ReplyToTicket ModifyTicket OwnTicket "
    "SeeCustomField ModifyCustomField"
)
MAKE_USER = r"""
use RT -init;
my $user = RT::User->new(RT->SystemUser);
my ($ok, $said) = $user->Create(Name => "connector", EmailAddress => "connector\@example.com", Privileged => 1);
die $said unless $ok;
for my $right (split / /, $ENV{RIGHTS}) {
    my ($given, $why) = $user->PrincipalObj->GrantRight(Right => $right, Object => RT->System);
    die "$right: $why" unless $given;
}
my $field = RT::CustomField->new(RT->SystemUser);
($ok, $said) = $field->Create(Name => "Resolution", Type => "FreeformSingle", LookupType => "RT::Queue-RT::Ticket");
die $said unless $ok;
$field->AddToObject(RT::Queue->new(RT->SystemUser));
my $token = RT::AuthToken->new(RT->SystemUser);
my ($id, $message, $secret) = $token->Create(Owner => $user->id, Description => "tests");
die $message unless $id;
print $secret;
"""


@dataclass(frozen=True, slots=True)
class Served:
    """A running instance."""

    url: str
    token: str
    folder: Path

    def mails(self) -> str:
        """Every mail RT would have sent."""
        return "\n".join(
            path.read_text(errors="replace") for path in (self.folder / "mails").iterdir() if path.is_file()
        )


@contextmanager
def request_tracker(folder: Path) -> Iterator[Served]:
    """A fresh RT in `folder`; ends with the block."""
    need(SERVER, SETUP)
    port = free_port()
    environment = _configure(folder, port)
    setup = subprocess.run([SETUP, "--action", "init", "--skip-create"], env=environment, capture_output=True)
    assert setup.returncode == 0, setup.stdout[-2000:] + setup.stderr[-2000:]
    made = subprocess.run(["perl", *LIBRARIES, "-e", MAKE_USER], env=environment, capture_output=True)
    assert made.returncode == 0, made.stderr[-2000:]
    token = made.stdout.decode().strip()
    log = folder / "server.log"
    argv = [SERVER, "--server", "Starlet", "--host", "127.0.0.1", "--port", str(port)]
    with (
        log.open("wb") as out,
        subprocess.Popen(
            argv, env=environment, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        ) as server,
    ):
        try:
            url = f"http://127.0.0.1:{port}"
            wait_until_served(f"{url}/REST/2.0/rt", {"Authorization": f"token {token}"}, server, log)
            yield Served(url, token, folder)
        finally:
            os.killpg(server.pid, 15)


def _configure(folder: Path, port: int) -> dict[str, str]:
    (folder / "d").mkdir()
    (folder / "session").mkdir()
    mails = folder / "mails"
    mails.mkdir()
    settings = folder / "site.pm"
    settings.write_text(
        "Set($rtname, 'example.com'); Set($Organization, 'example.com');\n"
        f"Set($WebDomain, '127.0.0.1'); Set($WebPort, {port}); Set($WebBaseURL, 'http://127.0.0.1:{port}');\n"
        f"Set($DatabaseType, 'SQLite'); Set($DatabaseName, '{folder}/rt.sqlite3'); Set($DatabaseUser, '');\n"
        "Set($DatabasePassword, ''); Set($MailCommand, 'testfile'); Set($LogToSyslog, undef);\n"
        f"Set($LogToSTDERR, 'warning'); Set($LogToFile, undef); Set($LogDir, '{folder}');\n"
        "Set($WebSessionClass, 'Apache::Session::File'); Set($RestrictReferrer, 0);\n1;\n"
    )
    return {
        **os.environ,
        "RT_SITE_CONFIG": str(settings),
        "RT_SITE_CONFIG_DIR": str(folder / "d"),
        "HOME": str(folder),
        "TMPDIR": str(mails),
        "RIGHTS": RIGHTS,
    }
