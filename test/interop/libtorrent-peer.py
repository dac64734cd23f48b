"""A libtorrent-rasterbar session on loopback with its own uTP, and nothing else, switched on.

usage: libtorrent-peer.py seed|leech TORRENT FOLDER [PEER_PORT]

Prints one JSON line with its port when it listens. A leech connects to 127.0.0.1:PEER_PORT and
prints another line when it has everything. Ends when its standard input ends.
"""
import json
import os
import sys
import threading
import time

import libtorrent as lt

role, torrent, folder = sys.argv[1:4]
session = lt.session({
    'listen_interfaces': '127.0.0.1:0',
    'enable_dht': False,
    'enable_lsd': False,
    'enable_upnp': False,
    'enable_natpmp': False,
    'enable_incoming_tcp': False,
    'enable_outgoing_tcp': False,
    'enable_incoming_utp': True,
    'enable_outgoing_utp': True,
    'in_enc_policy': lt.enc_policy.disabled,
    'out_enc_policy': lt.enc_policy.disabled,
    'allow_multiple_connections_per_ip': True,
    'connections_limit': 20,
    'min_reconnect_time': 1,
})
params = lt.add_torrent_params()
params.ti = lt.torrent_info(torrent)
params.save_path = folder
params.flags &= ~lt.torrent_flags.auto_managed
params.flags &= ~lt.torrent_flags.paused
if role == 'seed':
    params.flags |= lt.torrent_flags.seed_mode
handle = session.add_torrent(params)


def say(message):
    print(json.dumps(message), flush=True)


def end_with_stdin():
    sys.stdin.read()
    session.pause()
    sys.stdout.flush()
    os._exit(0)


threading.Thread(target=end_with_stdin, daemon=True).start()
deadline = time.time() + 10
while session.listen_port() == 0 and time.time() < deadline:
    time.sleep(0.02)
say({'port': session.listen_port()})

if role == 'leech':
    handle.connect_peer(('127.0.0.1', int(sys.argv[4])))
    deadline = time.time() + 240
    while time.time() < deadline:
        status = handle.status()
        if status.is_seeding:
            say({'done': status.total_done})
            break
        time.sleep(0.02)

while True:
    time.sleep(1)
