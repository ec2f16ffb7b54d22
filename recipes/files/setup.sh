#!/bin/sh
# Runs inside the image's tree while it is built, for what no file alone can do. Its argument is the site's name.
set -eu
site=$1

# A page, so that one sees that it works.
mkdir -p "/srv/www/$site"
echo "<h1>$site</h1>" > "/srv/www/$site/index.html"
chown -R deploy:www-data "/srv/www/$site"
cat > "/etc/nginx/sites-available/$site" <<CONFIG
server {
    listen 80 default_server;
    server_name $site;
    root /srv/www/$site;
}
CONFIG
rm -f /etc/nginx/sites-enabled/default
ln -s "../sites-available/$site" "/etc/nginx/sites-enabled/$site"

# Nobody logs in with a password from outside.
printf 'PasswordAuthentication no\nPermitRootLogin no\n' > /etc/ssh/sshd_config.d/10-image.conf

# The package has made host keys while the tree was bootstrapped: every machine is to make its own, at its first boot.
rm -f /etc/ssh/ssh_host_*
cat > /etc/systemd/system/ssh-host-keys.service <<'UNIT'
[Unit]
Description=Make this machine's ssh host keys
ConditionPathExists=!/etc/ssh/ssh_host_ed25519_key
Before=ssh.service

[Service]
Type=oneshot
ExecStart=/usr/bin/ssh-keygen -A

[Install]
WantedBy=multi-user.target
UNIT
systemctl enable ssh-host-keys.service systemd-networkd.service
