"""What each builtin collector for Linux may run and read: shown to the customer, and enforced while it runs.

A line beginning with `$ ` is a command, words as they are typed; any other is a file or a folder (with what is in it
when it ends with `/*`). `*` stands for anything but a space in commands, and for one name in paths.
Rule: what is not here is refused, so a collector that reads something new needs its line here first.
"""

READS: dict[str, tuple[str, ...]] = {
    "host": (
        "$ uname -m", "/etc/os-release", "/usr/lib/os-release", "/etc/hostname", "/.dockerenv", "/run/.containerenv",
        "/run/systemd/system", "/proc/1/comm", "/proc/sys/kernel/hostname", "/proc/sys/kernel/osrelease",
        "/proc/uptime", "/proc/version",
    ),
    "cpu": ("/proc/cpuinfo", "/proc/loadavg", "/proc/pressure/cpu"),
    "memory": ("/proc/meminfo", "/proc/vmstat"),
    "disk_usage": ("$ cat -- /proc/self/mounts", "$ df **", "/proc/self/mounts"),
    "disks": ("$ lsblk **", "/proc/mdstat", "/proc/partitions"),
    "processes": ("$ ps -eo **", "/proc", "/proc/*", "/proc/*/stat"),
    "services": (
        "$ systemctl list-units **", "$ systemctl show **", "$ journalctl -u * **", "$ service * status",
        "/run/systemd/system", "/etc/init.d", "/etc/init.d/*", "/etc/rc*.d", "/etc/rc*.d/*", "/run", "/run/*",
        "/run/*/*", "/proc/*/stat", "/proc/*/comm", "/var/log/*", "/var/log/*/*", "/sbin/init", "/sbin/openrc",
        "/usr/sbin/service", "/sbin/service", "/bin/systemctl", "/usr/bin/systemctl",
    ),
    "listening_ports": (
        "$ ss -H -tulpn", "$ find **", "$ ps -eo pid=,comm=", "$ cat -- /proc/self/net/*", "/proc", "/proc/*",
        "/proc/self/net/*", "/proc/*/stat", "/proc/*/cgroup", "/etc/init.d", "/run", "/run/*", "/run/*/*",
        "/run/systemd/system", "$ systemctl show **",
    ),
    "interfaces": ("$ ip -j -s addr", "$ cat -- /proc/self/net/dev", "/proc/self/net/dev"),
    "routes": ("$ ip -j route", "$ ip -j -6 route", "$ cat -- /proc/self/net/route", "/proc/self/net/route"),
    "dns": ("$ cat -- /etc/resolv.conf",),
    "time_sync": ("$ chronyc -n tracking", "$ ps -eo comm=", "$ timedatectl show", "/etc/timezone"),
    "log_digest": ("$ journalctl -p 3 -b **", "/var/log/*"),
    "kernel_log": ("$ dmesg --level=emerg,alert,crit,err,warn",),
    "packages": ("$ dpkg-query -W -f **", "$ rpm -qa --qf **"),
    "updates": ("/run/reboot-required", "/var/lib/apt/lists", "/var/lib/apt/lists/*", "/var/cache/dnf",
                "/var/cache/yum"),
    "certificates": (
        "$ cat -- /etc/**", "$ ss -H -tulpn", "/etc/nginx", "/etc/nginx/**", "/etc/apache2", "/etc/apache2/**",
        "/etc/httpd", "/etc/httpd/**", "/etc/ssl/**", "/etc/pki/**", "/etc/letsencrypt/**", "/etc/**.pem",
        "/etc/**.crt", "/etc/**.cer", "/srv/**.pem", "/opt/**.pem", "/var/**.pem", "/**.crt", "/**.pem",
        "the TLS servers of this machine, by a connection to them",
    ),
    "users": ("$ who", "/etc/passwd"),
    "kernel_limits": (
        "/proc/loadavg", "/proc/meminfo", "/proc/sys/fs/file-nr", "/proc/sys/fs/file-max",
        "/proc/sys/fs/inotify/max_user_watches",
        "/proc/sys/kernel/pid_max", "/proc/sys/kernel/random/entropy_avail", "/proc/sys/kernel/threads-max",
        "/proc/sys/net/netfilter/nf_conntrack_count", "/proc/sys/net/netfilter/nf_conntrack_max",
    ),
    "pressure": ("/proc/pressure/*",),
    "log_events": ("$ journalctl -k -b **", "$ journalctl -b -t **", "$ dmesg", "/var/log/*"),
    "drivers": ("/proc/modules", "/proc/sys/kernel/tainted"),
    "virtualisation": (
        "$ systemd-detect-virt", "/.dockerenv", "/proc/cpuinfo", "/sys/class/dmi/id/product_name",
        "/sys/class/dmi/id/sys_vendor",
    ),
    "protection": (
        "/opt/CrowdStrike", "/opt/eset", "/opt/microsoft/mdatp", "/opt/sophos-spl", "/usr/sbin/clamd",
        "/sys/fs/selinux/enforce", "/sys/kernel/security/apparmor/profiles", "/sys/kernel/security/lsm",
    ),
    "mounts": ("$ findmnt **", "$ cat -- /proc/self/mounts", "/etc/fstab"),
    "big_folders": (
        "$ du -xk -d1 -- **", "/var", "/home", "/opt", "/srv", "/usr", "/tmp", "/root",  # noqa: S108 - looked at only
    ),
    "deleted_files": ("$ find **", "/proc", "/proc/*", "/proc/*/comm", "/proc/*/fd"),
    "permissions": (
        "/tmp", "/var/tmp", "/dev/shm", "/etc", "/etc/passwd", "/etc/group", "/etc/sudoers",  # noqa: S108
        "/etc/crontab", "/etc/hosts", "/etc/fstab", "/etc/ssh/sshd_config", "/etc/cron.d", "/usr/bin", "/usr/sbin",
        "/root",
    ),
    "boots": ("$ last -x **",),
    "pending_updates": ("$ apt-get -s **", "$ dnf -C **"),
    "update_history": ("$ rpm -qa --qf **", "/var/log/dpkg.log"),
    "logons": ("$ last -n **",),
    "crashes": (
        "$ coredumpctl --json=short **", "/var/crash", "/var/crash/*", "/var/lib/systemd/coredump",
        "/var/lib/systemd/coredump/*",
    ),
    "autostart": (
        "$ systemctl list-unit-files **", "/etc/xdg/autostart", "/etc/xdg/autostart/*", "/etc/rc2.d", "/etc/rc2.d/*",
    ),
    "scheduled_jobs": ("$ systemctl list-timers **", "/etc/crontab", "/etc/cron.d", "/etc/cron.d/*"),
    "daemons": (
        "$ ps -eo comm=", "/etc/crontab", "/etc/cron.d", "/etc/cron.d/*", "/lib/systemd/*", "/usr/sbin/*",
    ),
    "process_counts": ("$ ps -eo **",),
    "reachability": (
        "$ getent ahosts *", "$ ip -j neigh", "$ ip -j route", "$ cat -- /proc/self/net/route", "/usr/bin/getent",
    ),
    "proxy": (
        "/etc/environment", "/etc/apt/apt.conf", "/etc/apt/apt.conf.d", "/etc/apt/apt.conf.d/*",
        "/etc/profile.d/proxy.sh",
    ),
    "connections": ("$ ss -Hta", "$ cat -- /proc/self/net/**"),
    "firewall": ("$ nft -j list ruleset", "$ iptables -S"),
    "links": (
        "$ cat -- /sys/class/net/*/*", "$ cat -- /proc/self/net/wireless",
        "/proc/net/wireless", "/proc/self/net/wireless", "/sys/class/net", "/sys/class/net/**",
    ),
    "hardware": ("/proc/device-tree/model", "/sys/class/dmi/id/*"),
    "smart": ("$ smartctl -j **",),
    "power": ("/sys/class/power_supply", "/sys/class/power_supply/**", "/sys/class/thermal", "/sys/class/thermal/**"),
    "printers": ("$ lpstat -p", "$ lpstat -o", "/usr/bin/lpstat"),
    "devices": ("$ lspci", "$ lsusb"),
    "encryption": ("$ lsblk **", "$ mokutil --sb-state", "/sys/firmware/efi"),
    "web_config": (
        "$ nginx -t -q", "$ apache2ctl -t", "$ httpd -t", "/usr/sbin/nginx", "/usr/local/sbin/nginx",
        "/usr/sbin/apache2ctl", "/usr/sbin/httpd",
    ),
    "postgresql": (
        "$ psql **", "$ pg_lsclusters **", "$ runuser -u postgres -- **", "$ /usr/bin/psql **", "/usr/bin/psql",
        "/usr/bin/pg_lsclusters", "/run/postgresql", "/run/postgresql/*", "/var/lib/postgresql",
        "/var/lib/postgresql/**",
    ),
    "mysql": ("$ ps -eo comm=", "$ mysql --batch **", "/usr/sbin/mysqld", "/usr/sbin/mariadbd", "/usr/libexec/mysqld"),
    "mail_queue": ("$ postqueue -j", "$ exim4 -bpc", "/usr/sbin/exim", "/usr/sbin/exim4", "/usr/sbin/postqueue"),
    "sshd_config": ("$ /usr/sbin/sshd -T", "/usr/sbin/sshd", "/etc/ssh/sshd_config"),
    "containers": (
        "$ docker ps **", "$ docker inspect --format **", "$ podman ps **", "$ podman inspect --format **",
        "/usr/bin/docker", "/usr/bin/podman", "/usr/local/bin/docker", "/usr/local/bin/podman",
    ),
    "app_logs": (
        "/var/log/nginx/error.log", "/var/log/apache2/error.log", "/var/log/httpd/error_log", "/var/log/mail.err",
        "/var/log/mysql/error.log", "/var/log/mariadb/mariadb.log",
    ),
    "browsers": (
        "/home", "/home/*", "/home/*/.config/*/Default/Extensions", "/home/*/.config/*/Default/Extensions/*",
        "/home/*/.mozilla/firefox", "/home/*/.mozilla/firefox/*", "/home/*/.mozilla/firefox/*/extensions",
        "/home/*/.mozilla/firefox/*/extensions/*",
    ),
}  # fmt: skip
