remote-assist ca init --dir org
ssh-keygen -q -t ed25519 -N '' -f alice
remote-assist ca sign alice.pub --dir org --name 'Alice Example' --role technician          # alice-cert.pub, 12 h unless --valid
remote-assist-relay init --data relay-data --organisation 'Example Support'
remote-assist ca adopt relay-data --dir org             # signs organisation name and log key; writes ca.pub and the signed lists there
remote-assist-relay serve --data relay-data --listen 127.0.0.1:8470 &
relay=$!; trap 'kill "$relay"' EXIT
export REMOTE_ASSIST_RELAY=http://127.0.0.1:8470 REMOTE_ASSIST_HOME=$PWD/alice-home
remote-assist-relay check --wait 10 --data relay-data
remote-assist login --key alice
ticket=$(remote-assist tickets new --subject 'Web server does not start' --plain)
exec 3< <(remote-assist invite --ticket "$ticket" --scopes diagnose,files:read,fix,terminal --plain)
read -r code <&3
printf '%s\n' "$code" | REMOTE_ASSIST_HOME=$PWD/customer-home remote-assist join --code - --ca org/ca.pub --accept diagnose,files:read,fix,terminal &
read -r session <&3
remote-assist diagnose "$session" --bundle first-look -o bundle.tar.zst
remote-assist findings "$session" --json
remote-assist run "$session" -- uname -a
mkdir -p got && remote-assist get "$session" /var/log/dpkg.log got
remote-assist end "$session" --note 'Port 80 was taken; freed and verified.'
remote-assist tickets show "$ticket"
remote-assist audit verify "$session"
