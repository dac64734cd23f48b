// Generated from spec/xtp-ctl.proto by scripts/generate-proto.mjs. Do not edit.
/* eslint-disable import/export */
/* eslint-disable complexity */
/* eslint-disable @typescript-eslint/no-namespace */
/* eslint-disable @typescript-eslint/no-unnecessary-boolean-literal-compare */
/* eslint-disable @typescript-eslint/no-empty-interface */
/* eslint-disable import/consistent-type-specifier-style */
/* eslint-disable @typescript-eslint/no-unused-vars */
import { decodeMessage, encodeMessage, MaxLengthError, message } from 'protons-runtime';
import { alloc as uint8ArrayAlloc } from 'uint8arrays/alloc';
import { writeUint64 } from './write-uint64.js';
export var Frame;
(function (Frame) {
    let _codec;
    Frame.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                obj = { ...obj };
                if (obj.log != null) {
                    obj.addrs = undefined;
                    obj.closed = undefined;
                    obj.refused = undefined;
                    obj.incoming = undefined;
                    obj.accept = undefined;
                    obj.cancel = undefined;
                    obj.signed = undefined;
                    obj.sign = undefined;
                    obj.shutdown = undefined;
                    obj.drain = undefined;
                    obj.statsResult = undefined;
                    obj.stats = undefined;
                    obj.ping = undefined;
                    obj.close = undefined;
                    obj.connected = undefined;
                    obj.dial = undefined;
                    obj.unlisten = undefined;
                    obj.listening = undefined;
                    obj.listen = undefined;
                    obj.hello = undefined;
                }
                if (obj.addrs != null) {
                    obj.log = undefined;
                    obj.closed = undefined;
                    obj.refused = undefined;
                    obj.incoming = undefined;
                    obj.accept = undefined;
                    obj.cancel = undefined;
                    obj.signed = undefined;
                    obj.sign = undefined;
                    obj.shutdown = undefined;
                    obj.drain = undefined;
                    obj.statsResult = undefined;
                    obj.stats = undefined;
                    obj.ping = undefined;
                    obj.close = undefined;
                    obj.connected = undefined;
                    obj.dial = undefined;
                    obj.unlisten = undefined;
                    obj.listening = undefined;
                    obj.listen = undefined;
                    obj.hello = undefined;
                }
                if (obj.closed != null) {
                    obj.log = undefined;
                    obj.addrs = undefined;
                    obj.refused = undefined;
                    obj.incoming = undefined;
                    obj.accept = undefined;
                    obj.cancel = undefined;
                    obj.signed = undefined;
                    obj.sign = undefined;
                    obj.shutdown = undefined;
                    obj.drain = undefined;
                    obj.statsResult = undefined;
                    obj.stats = undefined;
                    obj.ping = undefined;
                    obj.close = undefined;
                    obj.connected = undefined;
                    obj.dial = undefined;
                    obj.unlisten = undefined;
                    obj.listening = undefined;
                    obj.listen = undefined;
                    obj.hello = undefined;
                }
                if (obj.refused != null) {
                    obj.log = undefined;
                    obj.addrs = undefined;
                    obj.closed = undefined;
                    obj.incoming = undefined;
                    obj.accept = undefined;
                    obj.cancel = undefined;
                    obj.signed = undefined;
                    obj.sign = undefined;
                    obj.shutdown = undefined;
                    obj.drain = undefined;
                    obj.statsResult = undefined;
                    obj.stats = undefined;
                    obj.ping = undefined;
                    obj.close = undefined;
                    obj.connected = undefined;
                    obj.dial = undefined;
                    obj.unlisten = undefined;
                    obj.listening = undefined;
                    obj.listen = undefined;
                    obj.hello = undefined;
                }
                if (obj.incoming != null) {
                    obj.log = undefined;
                    obj.addrs = undefined;
                    obj.closed = undefined;
                    obj.refused = undefined;
                    obj.accept = undefined;
                    obj.cancel = undefined;
                    obj.signed = undefined;
                    obj.sign = undefined;
                    obj.shutdown = undefined;
                    obj.drain = undefined;
                    obj.statsResult = undefined;
                    obj.stats = undefined;
                    obj.ping = undefined;
                    obj.close = undefined;
                    obj.connected = undefined;
                    obj.dial = undefined;
                    obj.unlisten = undefined;
                    obj.listening = undefined;
                    obj.listen = undefined;
                    obj.hello = undefined;
                }
                if (obj.accept != null) {
                    obj.log = undefined;
                    obj.addrs = undefined;
                    obj.closed = undefined;
                    obj.refused = undefined;
                    obj.incoming = undefined;
                    obj.cancel = undefined;
                    obj.signed = undefined;
                    obj.sign = undefined;
                    obj.shutdown = undefined;
                    obj.drain = undefined;
                    obj.statsResult = undefined;
                    obj.stats = undefined;
                    obj.ping = undefined;
                    obj.close = undefined;
                    obj.connected = undefined;
                    obj.dial = undefined;
                    obj.unlisten = undefined;
                    obj.listening = undefined;
                    obj.listen = undefined;
                    obj.hello = undefined;
                }
                if (obj.cancel != null) {
                    obj.log = undefined;
                    obj.addrs = undefined;
                    obj.closed = undefined;
                    obj.refused = undefined;
                    obj.incoming = undefined;
                    obj.accept = undefined;
                    obj.signed = undefined;
                    obj.sign = undefined;
                    obj.shutdown = undefined;
                    obj.drain = undefined;
                    obj.statsResult = undefined;
                    obj.stats = undefined;
                    obj.ping = undefined;
                    obj.close = undefined;
                    obj.connected = undefined;
                    obj.dial = undefined;
                    obj.unlisten = undefined;
                    obj.listening = undefined;
                    obj.listen = undefined;
                    obj.hello = undefined;
                }
                if (obj.signed != null) {
                    obj.log = undefined;
                    obj.addrs = undefined;
                    obj.closed = undefined;
                    obj.refused = undefined;
                    obj.incoming = undefined;
                    obj.accept = undefined;
                    obj.cancel = undefined;
                    obj.sign = undefined;
                    obj.shutdown = undefined;
                    obj.drain = undefined;
                    obj.statsResult = undefined;
                    obj.stats = undefined;
                    obj.ping = undefined;
                    obj.close = undefined;
                    obj.connected = undefined;
                    obj.dial = undefined;
                    obj.unlisten = undefined;
                    obj.listening = undefined;
                    obj.listen = undefined;
                    obj.hello = undefined;
                }
                if (obj.sign != null) {
                    obj.log = undefined;
                    obj.addrs = undefined;
                    obj.closed = undefined;
                    obj.refused = undefined;
                    obj.incoming = undefined;
                    obj.accept = undefined;
                    obj.cancel = undefined;
                    obj.signed = undefined;
                    obj.shutdown = undefined;
                    obj.drain = undefined;
                    obj.statsResult = undefined;
                    obj.stats = undefined;
                    obj.ping = undefined;
                    obj.close = undefined;
                    obj.connected = undefined;
                    obj.dial = undefined;
                    obj.unlisten = undefined;
                    obj.listening = undefined;
                    obj.listen = undefined;
                    obj.hello = undefined;
                }
                if (obj.shutdown != null) {
                    obj.log = undefined;
                    obj.addrs = undefined;
                    obj.closed = undefined;
                    obj.refused = undefined;
                    obj.incoming = undefined;
                    obj.accept = undefined;
                    obj.cancel = undefined;
                    obj.signed = undefined;
                    obj.sign = undefined;
                    obj.drain = undefined;
                    obj.statsResult = undefined;
                    obj.stats = undefined;
                    obj.ping = undefined;
                    obj.close = undefined;
                    obj.connected = undefined;
                    obj.dial = undefined;
                    obj.unlisten = undefined;
                    obj.listening = undefined;
                    obj.listen = undefined;
                    obj.hello = undefined;
                }
                if (obj.drain != null) {
                    obj.log = undefined;
                    obj.addrs = undefined;
                    obj.closed = undefined;
                    obj.refused = undefined;
                    obj.incoming = undefined;
                    obj.accept = undefined;
                    obj.cancel = undefined;
                    obj.signed = undefined;
                    obj.sign = undefined;
                    obj.shutdown = undefined;
                    obj.statsResult = undefined;
                    obj.stats = undefined;
                    obj.ping = undefined;
                    obj.close = undefined;
                    obj.connected = undefined;
                    obj.dial = undefined;
                    obj.unlisten = undefined;
                    obj.listening = undefined;
                    obj.listen = undefined;
                    obj.hello = undefined;
                }
                if (obj.statsResult != null) {
                    obj.log = undefined;
                    obj.addrs = undefined;
                    obj.closed = undefined;
                    obj.refused = undefined;
                    obj.incoming = undefined;
                    obj.accept = undefined;
                    obj.cancel = undefined;
                    obj.signed = undefined;
                    obj.sign = undefined;
                    obj.shutdown = undefined;
                    obj.drain = undefined;
                    obj.stats = undefined;
                    obj.ping = undefined;
                    obj.close = undefined;
                    obj.connected = undefined;
                    obj.dial = undefined;
                    obj.unlisten = undefined;
                    obj.listening = undefined;
                    obj.listen = undefined;
                    obj.hello = undefined;
                }
                if (obj.stats != null) {
                    obj.log = undefined;
                    obj.addrs = undefined;
                    obj.closed = undefined;
                    obj.refused = undefined;
                    obj.incoming = undefined;
                    obj.accept = undefined;
                    obj.cancel = undefined;
                    obj.signed = undefined;
                    obj.sign = undefined;
                    obj.shutdown = undefined;
                    obj.drain = undefined;
                    obj.statsResult = undefined;
                    obj.ping = undefined;
                    obj.close = undefined;
                    obj.connected = undefined;
                    obj.dial = undefined;
                    obj.unlisten = undefined;
                    obj.listening = undefined;
                    obj.listen = undefined;
                    obj.hello = undefined;
                }
                if (obj.ping != null) {
                    obj.log = undefined;
                    obj.addrs = undefined;
                    obj.closed = undefined;
                    obj.refused = undefined;
                    obj.incoming = undefined;
                    obj.accept = undefined;
                    obj.cancel = undefined;
                    obj.signed = undefined;
                    obj.sign = undefined;
                    obj.shutdown = undefined;
                    obj.drain = undefined;
                    obj.statsResult = undefined;
                    obj.stats = undefined;
                    obj.close = undefined;
                    obj.connected = undefined;
                    obj.dial = undefined;
                    obj.unlisten = undefined;
                    obj.listening = undefined;
                    obj.listen = undefined;
                    obj.hello = undefined;
                }
                if (obj.close != null) {
                    obj.log = undefined;
                    obj.addrs = undefined;
                    obj.closed = undefined;
                    obj.refused = undefined;
                    obj.incoming = undefined;
                    obj.accept = undefined;
                    obj.cancel = undefined;
                    obj.signed = undefined;
                    obj.sign = undefined;
                    obj.shutdown = undefined;
                    obj.drain = undefined;
                    obj.statsResult = undefined;
                    obj.stats = undefined;
                    obj.ping = undefined;
                    obj.connected = undefined;
                    obj.dial = undefined;
                    obj.unlisten = undefined;
                    obj.listening = undefined;
                    obj.listen = undefined;
                    obj.hello = undefined;
                }
                if (obj.connected != null) {
                    obj.log = undefined;
                    obj.addrs = undefined;
                    obj.closed = undefined;
                    obj.refused = undefined;
                    obj.incoming = undefined;
                    obj.accept = undefined;
                    obj.cancel = undefined;
                    obj.signed = undefined;
                    obj.sign = undefined;
                    obj.shutdown = undefined;
                    obj.drain = undefined;
                    obj.statsResult = undefined;
                    obj.stats = undefined;
                    obj.ping = undefined;
                    obj.close = undefined;
                    obj.dial = undefined;
                    obj.unlisten = undefined;
                    obj.listening = undefined;
                    obj.listen = undefined;
                    obj.hello = undefined;
                }
                if (obj.dial != null) {
                    obj.log = undefined;
                    obj.addrs = undefined;
                    obj.closed = undefined;
                    obj.refused = undefined;
                    obj.incoming = undefined;
                    obj.accept = undefined;
                    obj.cancel = undefined;
                    obj.signed = undefined;
                    obj.sign = undefined;
                    obj.shutdown = undefined;
                    obj.drain = undefined;
                    obj.statsResult = undefined;
                    obj.stats = undefined;
                    obj.ping = undefined;
                    obj.close = undefined;
                    obj.connected = undefined;
                    obj.unlisten = undefined;
                    obj.listening = undefined;
                    obj.listen = undefined;
                    obj.hello = undefined;
                }
                if (obj.unlisten != null) {
                    obj.log = undefined;
                    obj.addrs = undefined;
                    obj.closed = undefined;
                    obj.refused = undefined;
                    obj.incoming = undefined;
                    obj.accept = undefined;
                    obj.cancel = undefined;
                    obj.signed = undefined;
                    obj.sign = undefined;
                    obj.shutdown = undefined;
                    obj.drain = undefined;
                    obj.statsResult = undefined;
                    obj.stats = undefined;
                    obj.ping = undefined;
                    obj.close = undefined;
                    obj.connected = undefined;
                    obj.dial = undefined;
                    obj.listening = undefined;
                    obj.listen = undefined;
                    obj.hello = undefined;
                }
                if (obj.listening != null) {
                    obj.log = undefined;
                    obj.addrs = undefined;
                    obj.closed = undefined;
                    obj.refused = undefined;
                    obj.incoming = undefined;
                    obj.accept = undefined;
                    obj.cancel = undefined;
                    obj.signed = undefined;
                    obj.sign = undefined;
                    obj.shutdown = undefined;
                    obj.drain = undefined;
                    obj.statsResult = undefined;
                    obj.stats = undefined;
                    obj.ping = undefined;
                    obj.close = undefined;
                    obj.connected = undefined;
                    obj.dial = undefined;
                    obj.unlisten = undefined;
                    obj.listen = undefined;
                    obj.hello = undefined;
                }
                if (obj.listen != null) {
                    obj.log = undefined;
                    obj.addrs = undefined;
                    obj.closed = undefined;
                    obj.refused = undefined;
                    obj.incoming = undefined;
                    obj.accept = undefined;
                    obj.cancel = undefined;
                    obj.signed = undefined;
                    obj.sign = undefined;
                    obj.shutdown = undefined;
                    obj.drain = undefined;
                    obj.statsResult = undefined;
                    obj.stats = undefined;
                    obj.ping = undefined;
                    obj.close = undefined;
                    obj.connected = undefined;
                    obj.dial = undefined;
                    obj.unlisten = undefined;
                    obj.listening = undefined;
                    obj.hello = undefined;
                }
                if (obj.hello != null) {
                    obj.log = undefined;
                    obj.addrs = undefined;
                    obj.closed = undefined;
                    obj.refused = undefined;
                    obj.incoming = undefined;
                    obj.accept = undefined;
                    obj.cancel = undefined;
                    obj.signed = undefined;
                    obj.sign = undefined;
                    obj.shutdown = undefined;
                    obj.drain = undefined;
                    obj.statsResult = undefined;
                    obj.stats = undefined;
                    obj.ping = undefined;
                    obj.close = undefined;
                    obj.connected = undefined;
                    obj.dial = undefined;
                    obj.unlisten = undefined;
                    obj.listening = undefined;
                    obj.listen = undefined;
                }
                if ((obj.id != null && obj.id !== 0)) {
                    w.uint32(8);
                    w.uint32(obj.id);
                }
                if ((obj.reply != null && obj.reply !== false)) {
                    w.uint32(16);
                    w.bool(obj.reply);
                }
                if (obj.status != null) {
                    w.uint32(26);
                    Status.codec().encode(obj.status, w);
                }
                if ((obj.deadlineMs != null && obj.deadlineMs !== 0)) {
                    w.uint32(32);
                    w.uint32(obj.deadlineMs);
                }
                if (obj.hello != null) {
                    w.uint32(130);
                    Hello.codec().encode(obj.hello, w);
                }
                if (obj.listen != null) {
                    w.uint32(138);
                    Listen.codec().encode(obj.listen, w);
                }
                if (obj.listening != null) {
                    w.uint32(146);
                    Listening.codec().encode(obj.listening, w);
                }
                if (obj.unlisten != null) {
                    w.uint32(154);
                    Unlisten.codec().encode(obj.unlisten, w);
                }
                if (obj.dial != null) {
                    w.uint32(162);
                    Dial.codec().encode(obj.dial, w);
                }
                if (obj.connected != null) {
                    w.uint32(170);
                    Connected.codec().encode(obj.connected, w);
                }
                if (obj.close != null) {
                    w.uint32(178);
                    Close.codec().encode(obj.close, w);
                }
                if (obj.ping != null) {
                    w.uint32(186);
                    Ping.codec().encode(obj.ping, w);
                }
                if (obj.stats != null) {
                    w.uint32(194);
                    Stats.codec().encode(obj.stats, w);
                }
                if (obj.statsResult != null) {
                    w.uint32(202);
                    StatsResult.codec().encode(obj.statsResult, w);
                }
                if (obj.drain != null) {
                    w.uint32(226);
                    Drain.codec().encode(obj.drain, w);
                }
                if (obj.shutdown != null) {
                    w.uint32(234);
                    Shutdown.codec().encode(obj.shutdown, w);
                }
                if (obj.sign != null) {
                    w.uint32(210);
                    Sign.codec().encode(obj.sign, w);
                }
                if (obj.signed != null) {
                    w.uint32(218);
                    Signed.codec().encode(obj.signed, w);
                }
                if (obj.cancel != null) {
                    w.uint32(258);
                    Cancel.codec().encode(obj.cancel, w);
                }
                if (obj.accept != null) {
                    w.uint32(266);
                    Accept.codec().encode(obj.accept, w);
                }
                if (obj.incoming != null) {
                    w.uint32(322);
                    Incoming.codec().encode(obj.incoming, w);
                }
                if (obj.refused != null) {
                    w.uint32(330);
                    Refused.codec().encode(obj.refused, w);
                }
                if (obj.closed != null) {
                    w.uint32(338);
                    Closed.codec().encode(obj.closed, w);
                }
                if (obj.addrs != null) {
                    w.uint32(346);
                    Addrs.codec().encode(obj.addrs, w);
                }
                if (obj.log != null) {
                    w.uint32(354);
                    Log.codec().encode(obj.log, w);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    id: 0,
                    reply: false,
                    deadlineMs: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.id = reader.uint32();
                            break;
                        }
                        case 2: {
                            obj.reply = reader.bool();
                            break;
                        }
                        case 3: {
                            obj.status = Status.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.status
                            });
                            break;
                        }
                        case 4: {
                            obj.deadlineMs = reader.uint32();
                            break;
                        }
                        case 16: {
                            obj.hello = Hello.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.hello
                            });
                            break;
                        }
                        case 17: {
                            obj.listen = Listen.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.listen
                            });
                            break;
                        }
                        case 18: {
                            obj.listening = Listening.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.listening
                            });
                            break;
                        }
                        case 19: {
                            obj.unlisten = Unlisten.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.unlisten
                            });
                            break;
                        }
                        case 20: {
                            obj.dial = Dial.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.dial
                            });
                            break;
                        }
                        case 21: {
                            obj.connected = Connected.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.connected
                            });
                            break;
                        }
                        case 22: {
                            obj.close = Close.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.close
                            });
                            break;
                        }
                        case 23: {
                            obj.ping = Ping.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.ping
                            });
                            break;
                        }
                        case 24: {
                            obj.stats = Stats.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.stats
                            });
                            break;
                        }
                        case 25: {
                            obj.statsResult = StatsResult.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.statsResult
                            });
                            break;
                        }
                        case 28: {
                            obj.drain = Drain.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.drain
                            });
                            break;
                        }
                        case 29: {
                            obj.shutdown = Shutdown.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.shutdown
                            });
                            break;
                        }
                        case 26: {
                            obj.sign = Sign.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.sign
                            });
                            break;
                        }
                        case 27: {
                            obj.signed = Signed.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.signed
                            });
                            break;
                        }
                        case 32: {
                            obj.cancel = Cancel.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.cancel
                            });
                            break;
                        }
                        case 33: {
                            obj.accept = Accept.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.accept
                            });
                            break;
                        }
                        case 40: {
                            obj.incoming = Incoming.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.incoming
                            });
                            break;
                        }
                        case 41: {
                            obj.refused = Refused.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.refused
                            });
                            break;
                        }
                        case 42: {
                            obj.closed = Closed.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.closed
                            });
                            break;
                        }
                        case 43: {
                            obj.addrs = Addrs.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.addrs
                            });
                            break;
                        }
                        case 44: {
                            obj.log = Log.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.log
                            });
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                if (obj.log != null) {
                    delete obj.addrs;
                    delete obj.closed;
                    delete obj.refused;
                    delete obj.incoming;
                    delete obj.accept;
                    delete obj.cancel;
                    delete obj.signed;
                    delete obj.sign;
                    delete obj.shutdown;
                    delete obj.drain;
                    delete obj.statsResult;
                    delete obj.stats;
                    delete obj.ping;
                    delete obj.close;
                    delete obj.connected;
                    delete obj.dial;
                    delete obj.unlisten;
                    delete obj.listening;
                    delete obj.listen;
                    delete obj.hello;
                }
                if (obj.addrs != null) {
                    delete obj.log;
                    delete obj.closed;
                    delete obj.refused;
                    delete obj.incoming;
                    delete obj.accept;
                    delete obj.cancel;
                    delete obj.signed;
                    delete obj.sign;
                    delete obj.shutdown;
                    delete obj.drain;
                    delete obj.statsResult;
                    delete obj.stats;
                    delete obj.ping;
                    delete obj.close;
                    delete obj.connected;
                    delete obj.dial;
                    delete obj.unlisten;
                    delete obj.listening;
                    delete obj.listen;
                    delete obj.hello;
                }
                if (obj.closed != null) {
                    delete obj.log;
                    delete obj.addrs;
                    delete obj.refused;
                    delete obj.incoming;
                    delete obj.accept;
                    delete obj.cancel;
                    delete obj.signed;
                    delete obj.sign;
                    delete obj.shutdown;
                    delete obj.drain;
                    delete obj.statsResult;
                    delete obj.stats;
                    delete obj.ping;
                    delete obj.close;
                    delete obj.connected;
                    delete obj.dial;
                    delete obj.unlisten;
                    delete obj.listening;
                    delete obj.listen;
                    delete obj.hello;
                }
                if (obj.refused != null) {
                    delete obj.log;
                    delete obj.addrs;
                    delete obj.closed;
                    delete obj.incoming;
                    delete obj.accept;
                    delete obj.cancel;
                    delete obj.signed;
                    delete obj.sign;
                    delete obj.shutdown;
                    delete obj.drain;
                    delete obj.statsResult;
                    delete obj.stats;
                    delete obj.ping;
                    delete obj.close;
                    delete obj.connected;
                    delete obj.dial;
                    delete obj.unlisten;
                    delete obj.listening;
                    delete obj.listen;
                    delete obj.hello;
                }
                if (obj.incoming != null) {
                    delete obj.log;
                    delete obj.addrs;
                    delete obj.closed;
                    delete obj.refused;
                    delete obj.accept;
                    delete obj.cancel;
                    delete obj.signed;
                    delete obj.sign;
                    delete obj.shutdown;
                    delete obj.drain;
                    delete obj.statsResult;
                    delete obj.stats;
                    delete obj.ping;
                    delete obj.close;
                    delete obj.connected;
                    delete obj.dial;
                    delete obj.unlisten;
                    delete obj.listening;
                    delete obj.listen;
                    delete obj.hello;
                }
                if (obj.accept != null) {
                    delete obj.log;
                    delete obj.addrs;
                    delete obj.closed;
                    delete obj.refused;
                    delete obj.incoming;
                    delete obj.cancel;
                    delete obj.signed;
                    delete obj.sign;
                    delete obj.shutdown;
                    delete obj.drain;
                    delete obj.statsResult;
                    delete obj.stats;
                    delete obj.ping;
                    delete obj.close;
                    delete obj.connected;
                    delete obj.dial;
                    delete obj.unlisten;
                    delete obj.listening;
                    delete obj.listen;
                    delete obj.hello;
                }
                if (obj.cancel != null) {
                    delete obj.log;
                    delete obj.addrs;
                    delete obj.closed;
                    delete obj.refused;
                    delete obj.incoming;
                    delete obj.accept;
                    delete obj.signed;
                    delete obj.sign;
                    delete obj.shutdown;
                    delete obj.drain;
                    delete obj.statsResult;
                    delete obj.stats;
                    delete obj.ping;
                    delete obj.close;
                    delete obj.connected;
                    delete obj.dial;
                    delete obj.unlisten;
                    delete obj.listening;
                    delete obj.listen;
                    delete obj.hello;
                }
                if (obj.signed != null) {
                    delete obj.log;
                    delete obj.addrs;
                    delete obj.closed;
                    delete obj.refused;
                    delete obj.incoming;
                    delete obj.accept;
                    delete obj.cancel;
                    delete obj.sign;
                    delete obj.shutdown;
                    delete obj.drain;
                    delete obj.statsResult;
                    delete obj.stats;
                    delete obj.ping;
                    delete obj.close;
                    delete obj.connected;
                    delete obj.dial;
                    delete obj.unlisten;
                    delete obj.listening;
                    delete obj.listen;
                    delete obj.hello;
                }
                if (obj.sign != null) {
                    delete obj.log;
                    delete obj.addrs;
                    delete obj.closed;
                    delete obj.refused;
                    delete obj.incoming;
                    delete obj.accept;
                    delete obj.cancel;
                    delete obj.signed;
                    delete obj.shutdown;
                    delete obj.drain;
                    delete obj.statsResult;
                    delete obj.stats;
                    delete obj.ping;
                    delete obj.close;
                    delete obj.connected;
                    delete obj.dial;
                    delete obj.unlisten;
                    delete obj.listening;
                    delete obj.listen;
                    delete obj.hello;
                }
                if (obj.shutdown != null) {
                    delete obj.log;
                    delete obj.addrs;
                    delete obj.closed;
                    delete obj.refused;
                    delete obj.incoming;
                    delete obj.accept;
                    delete obj.cancel;
                    delete obj.signed;
                    delete obj.sign;
                    delete obj.drain;
                    delete obj.statsResult;
                    delete obj.stats;
                    delete obj.ping;
                    delete obj.close;
                    delete obj.connected;
                    delete obj.dial;
                    delete obj.unlisten;
                    delete obj.listening;
                    delete obj.listen;
                    delete obj.hello;
                }
                if (obj.drain != null) {
                    delete obj.log;
                    delete obj.addrs;
                    delete obj.closed;
                    delete obj.refused;
                    delete obj.incoming;
                    delete obj.accept;
                    delete obj.cancel;
                    delete obj.signed;
                    delete obj.sign;
                    delete obj.shutdown;
                    delete obj.statsResult;
                    delete obj.stats;
                    delete obj.ping;
                    delete obj.close;
                    delete obj.connected;
                    delete obj.dial;
                    delete obj.unlisten;
                    delete obj.listening;
                    delete obj.listen;
                    delete obj.hello;
                }
                if (obj.statsResult != null) {
                    delete obj.log;
                    delete obj.addrs;
                    delete obj.closed;
                    delete obj.refused;
                    delete obj.incoming;
                    delete obj.accept;
                    delete obj.cancel;
                    delete obj.signed;
                    delete obj.sign;
                    delete obj.shutdown;
                    delete obj.drain;
                    delete obj.stats;
                    delete obj.ping;
                    delete obj.close;
                    delete obj.connected;
                    delete obj.dial;
                    delete obj.unlisten;
                    delete obj.listening;
                    delete obj.listen;
                    delete obj.hello;
                }
                if (obj.stats != null) {
                    delete obj.log;
                    delete obj.addrs;
                    delete obj.closed;
                    delete obj.refused;
                    delete obj.incoming;
                    delete obj.accept;
                    delete obj.cancel;
                    delete obj.signed;
                    delete obj.sign;
                    delete obj.shutdown;
                    delete obj.drain;
                    delete obj.statsResult;
                    delete obj.ping;
                    delete obj.close;
                    delete obj.connected;
                    delete obj.dial;
                    delete obj.unlisten;
                    delete obj.listening;
                    delete obj.listen;
                    delete obj.hello;
                }
                if (obj.ping != null) {
                    delete obj.log;
                    delete obj.addrs;
                    delete obj.closed;
                    delete obj.refused;
                    delete obj.incoming;
                    delete obj.accept;
                    delete obj.cancel;
                    delete obj.signed;
                    delete obj.sign;
                    delete obj.shutdown;
                    delete obj.drain;
                    delete obj.statsResult;
                    delete obj.stats;
                    delete obj.close;
                    delete obj.connected;
                    delete obj.dial;
                    delete obj.unlisten;
                    delete obj.listening;
                    delete obj.listen;
                    delete obj.hello;
                }
                if (obj.close != null) {
                    delete obj.log;
                    delete obj.addrs;
                    delete obj.closed;
                    delete obj.refused;
                    delete obj.incoming;
                    delete obj.accept;
                    delete obj.cancel;
                    delete obj.signed;
                    delete obj.sign;
                    delete obj.shutdown;
                    delete obj.drain;
                    delete obj.statsResult;
                    delete obj.stats;
                    delete obj.ping;
                    delete obj.connected;
                    delete obj.dial;
                    delete obj.unlisten;
                    delete obj.listening;
                    delete obj.listen;
                    delete obj.hello;
                }
                if (obj.connected != null) {
                    delete obj.log;
                    delete obj.addrs;
                    delete obj.closed;
                    delete obj.refused;
                    delete obj.incoming;
                    delete obj.accept;
                    delete obj.cancel;
                    delete obj.signed;
                    delete obj.sign;
                    delete obj.shutdown;
                    delete obj.drain;
                    delete obj.statsResult;
                    delete obj.stats;
                    delete obj.ping;
                    delete obj.close;
                    delete obj.dial;
                    delete obj.unlisten;
                    delete obj.listening;
                    delete obj.listen;
                    delete obj.hello;
                }
                if (obj.dial != null) {
                    delete obj.log;
                    delete obj.addrs;
                    delete obj.closed;
                    delete obj.refused;
                    delete obj.incoming;
                    delete obj.accept;
                    delete obj.cancel;
                    delete obj.signed;
                    delete obj.sign;
                    delete obj.shutdown;
                    delete obj.drain;
                    delete obj.statsResult;
                    delete obj.stats;
                    delete obj.ping;
                    delete obj.close;
                    delete obj.connected;
                    delete obj.unlisten;
                    delete obj.listening;
                    delete obj.listen;
                    delete obj.hello;
                }
                if (obj.unlisten != null) {
                    delete obj.log;
                    delete obj.addrs;
                    delete obj.closed;
                    delete obj.refused;
                    delete obj.incoming;
                    delete obj.accept;
                    delete obj.cancel;
                    delete obj.signed;
                    delete obj.sign;
                    delete obj.shutdown;
                    delete obj.drain;
                    delete obj.statsResult;
                    delete obj.stats;
                    delete obj.ping;
                    delete obj.close;
                    delete obj.connected;
                    delete obj.dial;
                    delete obj.listening;
                    delete obj.listen;
                    delete obj.hello;
                }
                if (obj.listening != null) {
                    delete obj.log;
                    delete obj.addrs;
                    delete obj.closed;
                    delete obj.refused;
                    delete obj.incoming;
                    delete obj.accept;
                    delete obj.cancel;
                    delete obj.signed;
                    delete obj.sign;
                    delete obj.shutdown;
                    delete obj.drain;
                    delete obj.statsResult;
                    delete obj.stats;
                    delete obj.ping;
                    delete obj.close;
                    delete obj.connected;
                    delete obj.dial;
                    delete obj.unlisten;
                    delete obj.listen;
                    delete obj.hello;
                }
                if (obj.listen != null) {
                    delete obj.log;
                    delete obj.addrs;
                    delete obj.closed;
                    delete obj.refused;
                    delete obj.incoming;
                    delete obj.accept;
                    delete obj.cancel;
                    delete obj.signed;
                    delete obj.sign;
                    delete obj.shutdown;
                    delete obj.drain;
                    delete obj.statsResult;
                    delete obj.stats;
                    delete obj.ping;
                    delete obj.close;
                    delete obj.connected;
                    delete obj.dial;
                    delete obj.unlisten;
                    delete obj.listening;
                    delete obj.hello;
                }
                if (obj.hello != null) {
                    delete obj.log;
                    delete obj.addrs;
                    delete obj.closed;
                    delete obj.refused;
                    delete obj.incoming;
                    delete obj.accept;
                    delete obj.cancel;
                    delete obj.signed;
                    delete obj.sign;
                    delete obj.shutdown;
                    delete obj.drain;
                    delete obj.statsResult;
                    delete obj.stats;
                    delete obj.ping;
                    delete obj.close;
                    delete obj.connected;
                    delete obj.dial;
                    delete obj.unlisten;
                    delete obj.listening;
                    delete obj.listen;
                }
                return obj;
            });
        }
        return _codec;
    };
    Frame.encode = (obj) => {
        return encodeMessage(obj, Frame.codec());
    };
    Frame.decode = (buf, opts) => {
        return decodeMessage(buf, Frame.codec(), opts);
    };
})(Frame || (Frame = {}));
export var Status;
(function (Status) {
    let _codec;
    Status.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.code != null && obj.code !== 0)) {
                    w.uint32(8);
                    w.uint32(obj.code);
                }
                if ((obj.message != null && obj.message !== '')) {
                    w.uint32(18);
                    w.string(obj.message);
                }
                if ((obj.errno != null && obj.errno !== '')) {
                    w.uint32(26);
                    w.string(obj.errno);
                }
                if ((obj.retryable != null && obj.retryable !== false)) {
                    w.uint32(32);
                    w.bool(obj.retryable);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    code: 0,
                    message: '',
                    errno: '',
                    retryable: false
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.code = reader.uint32();
                            break;
                        }
                        case 2: {
                            obj.message = reader.string();
                            break;
                        }
                        case 3: {
                            obj.errno = reader.string();
                            break;
                        }
                        case 4: {
                            obj.retryable = reader.bool();
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            });
        }
        return _codec;
    };
    Status.encode = (obj) => {
        return encodeMessage(obj, Status.codec());
    };
    Status.decode = (buf, opts) => {
        return decodeMessage(buf, Status.codec(), opts);
    };
})(Status || (Status = {}));
export var Option;
(function (Option) {
    let _codec;
    Option.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.key != null && obj.key !== '')) {
                    w.uint32(10);
                    w.string(obj.key);
                }
                if ((obj.value != null && obj.value !== '')) {
                    w.uint32(18);
                    w.string(obj.value);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    key: '',
                    value: ''
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.key = reader.string();
                            break;
                        }
                        case 2: {
                            obj.value = reader.string();
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            });
        }
        return _codec;
    };
    Option.encode = (obj) => {
        return encodeMessage(obj, Option.codec());
    };
    Option.decode = (buf, opts) => {
        return decodeMessage(buf, Option.codec(), opts);
    };
})(Option || (Option = {}));
export var Hello;
(function (Hello) {
    let _codec;
    Hello.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.implementation != null && obj.implementation !== '')) {
                    w.uint32(10);
                    w.string(obj.implementation);
                }
                if (obj.features != null) {
                    for (const value of obj.features) {
                        w.uint32(18);
                        w.string(value);
                    }
                }
                if (obj.options != null) {
                    for (const value of obj.options) {
                        w.uint32(26);
                        Option.codec().encode(value, w);
                    }
                }
                if (obj.limits != null) {
                    w.uint32(34);
                    Limits.codec().encode(obj.limits, w);
                }
                if (obj.transports != null) {
                    for (const value of obj.transports) {
                        w.uint32(42);
                        Transport.codec().encode(value, w);
                    }
                }
                if ((obj.pid != null && obj.pid !== 0)) {
                    w.uint32(48);
                    w.uint32(obj.pid);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    implementation: '',
                    features: [],
                    options: [],
                    transports: [],
                    pid: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.implementation = reader.string();
                            break;
                        }
                        case 2: {
                            if (opts.limits?.features != null && obj.features.length === opts.limits.features) {
                                throw new MaxLengthError('Decode error - map field "features" had too many elements');
                            }
                            obj.features.push(reader.string());
                            break;
                        }
                        case 3: {
                            if (opts.limits?.options != null && obj.options.length === opts.limits.options) {
                                throw new MaxLengthError('Decode error - map field "options" had too many elements');
                            }
                            obj.options.push(Option.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.options$
                            }));
                            break;
                        }
                        case 4: {
                            obj.limits = Limits.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.limits
                            });
                            break;
                        }
                        case 5: {
                            if (opts.limits?.transports != null && obj.transports.length === opts.limits.transports) {
                                throw new MaxLengthError('Decode error - map field "transports" had too many elements');
                            }
                            obj.transports.push(Transport.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.transports$
                            }));
                            break;
                        }
                        case 6: {
                            obj.pid = reader.uint32();
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            });
        }
        return _codec;
    };
    Hello.encode = (obj) => {
        return encodeMessage(obj, Hello.codec());
    };
    Hello.decode = (buf, opts) => {
        return decodeMessage(buf, Hello.codec(), opts);
    };
})(Hello || (Hello = {}));
export var Limits;
(function (Limits) {
    let _codec;
    Limits.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.maxFrameBytes != null && obj.maxFrameBytes !== 0)) {
                    w.uint32(8);
                    w.uint32(obj.maxFrameBytes);
                }
                if ((obj.maxConnections != null && obj.maxConnections !== 0)) {
                    w.uint32(16);
                    w.uint32(obj.maxConnections);
                }
                if ((obj.maxListeners != null && obj.maxListeners !== 0)) {
                    w.uint32(24);
                    w.uint32(obj.maxListeners);
                }
                if ((obj.maxRequests != null && obj.maxRequests !== 0)) {
                    w.uint32(32);
                    w.uint32(obj.maxRequests);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    maxFrameBytes: 0,
                    maxConnections: 0,
                    maxListeners: 0,
                    maxRequests: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.maxFrameBytes = reader.uint32();
                            break;
                        }
                        case 2: {
                            obj.maxConnections = reader.uint32();
                            break;
                        }
                        case 3: {
                            obj.maxListeners = reader.uint32();
                            break;
                        }
                        case 4: {
                            obj.maxRequests = reader.uint32();
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            });
        }
        return _codec;
    };
    Limits.encode = (obj) => {
        return encodeMessage(obj, Limits.codec());
    };
    Limits.decode = (buf, opts) => {
        return decodeMessage(buf, Limits.codec(), opts);
    };
})(Limits || (Limits = {}));
export var Transport;
(function (Transport) {
    let _codec;
    Transport.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.name != null && obj.name !== '')) {
                    w.uint32(10);
                    w.string(obj.name);
                }
                if (obj.protocols != null) {
                    for (const value of obj.protocols) {
                        w.uint32(16);
                        w.uint32(value);
                    }
                }
                if ((obj.capabilities != null && obj.capabilities !== 0)) {
                    w.uint32(24);
                    w.uint32(obj.capabilities);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    name: '',
                    protocols: [],
                    capabilities: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.name = reader.string();
                            break;
                        }
                        case 2: {
                            if (opts.limits?.protocols != null && obj.protocols.length === opts.limits.protocols) {
                                throw new MaxLengthError('Decode error - map field "protocols" had too many elements');
                            }
                            obj.protocols.push(reader.uint32());
                            break;
                        }
                        case 3: {
                            obj.capabilities = reader.uint32();
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            });
        }
        return _codec;
    };
    Transport.encode = (obj) => {
        return encodeMessage(obj, Transport.codec());
    };
    Transport.decode = (buf, opts) => {
        return decodeMessage(buf, Transport.codec(), opts);
    };
})(Transport || (Transport = {}));
export var Listen;
(function (Listen) {
    let _codec;
    Listen.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.listenerId != null && obj.listenerId !== 0)) {
                    w.uint32(8);
                    w.uint32(obj.listenerId);
                }
                if ((obj.addr != null && obj.addr.byteLength > 0)) {
                    w.uint32(18);
                    w.bytes(obj.addr);
                }
                if ((obj.accept != null && obj.accept !== 0)) {
                    w.uint32(24);
                    w.uint32(obj.accept);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    listenerId: 0,
                    addr: uint8ArrayAlloc(0),
                    accept: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.listenerId = reader.uint32();
                            break;
                        }
                        case 2: {
                            obj.addr = reader.bytes();
                            break;
                        }
                        case 3: {
                            obj.accept = reader.uint32();
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            });
        }
        return _codec;
    };
    Listen.encode = (obj) => {
        return encodeMessage(obj, Listen.codec());
    };
    Listen.decode = (buf, opts) => {
        return decodeMessage(buf, Listen.codec(), opts);
    };
})(Listen || (Listen = {}));
export var Listening;
(function (Listening) {
    let _codec;
    Listening.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.addr != null && obj.addr.byteLength > 0)) {
                    w.uint32(10);
                    w.bytes(obj.addr);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    addr: uint8ArrayAlloc(0)
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.addr = reader.bytes();
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            });
        }
        return _codec;
    };
    Listening.encode = (obj) => {
        return encodeMessage(obj, Listening.codec());
    };
    Listening.decode = (buf, opts) => {
        return decodeMessage(buf, Listening.codec(), opts);
    };
})(Listening || (Listening = {}));
export var Unlisten;
(function (Unlisten) {
    let _codec;
    Unlisten.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.listenerId != null && obj.listenerId !== 0)) {
                    w.uint32(8);
                    w.uint32(obj.listenerId);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    listenerId: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.listenerId = reader.uint32();
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            });
        }
        return _codec;
    };
    Unlisten.encode = (obj) => {
        return encodeMessage(obj, Unlisten.codec());
    };
    Unlisten.decode = (buf, opts) => {
        return decodeMessage(buf, Unlisten.codec(), opts);
    };
})(Unlisten || (Unlisten = {}));
export var Dial;
(function (Dial) {
    let _codec;
    Dial.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.connId != null && obj.connId !== 0)) {
                    w.uint32(8);
                    w.uint32(obj.connId);
                }
                if ((obj.addr != null && obj.addr.byteLength > 0)) {
                    w.uint32(18);
                    w.bytes(obj.addr);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    connId: 0,
                    addr: uint8ArrayAlloc(0)
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.connId = reader.uint32();
                            break;
                        }
                        case 2: {
                            obj.addr = reader.bytes();
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            });
        }
        return _codec;
    };
    Dial.encode = (obj) => {
        return encodeMessage(obj, Dial.codec());
    };
    Dial.decode = (buf, opts) => {
        return decodeMessage(buf, Dial.codec(), opts);
    };
})(Dial || (Dial = {}));
export var Connected;
(function (Connected) {
    let _codec;
    Connected.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.connId != null && obj.connId !== 0)) {
                    w.uint32(8);
                    w.uint32(obj.connId);
                }
                if ((obj.localAddr != null && obj.localAddr.byteLength > 0)) {
                    w.uint32(18);
                    w.bytes(obj.localAddr);
                }
                if ((obj.remoteAddr != null && obj.remoteAddr.byteLength > 0)) {
                    w.uint32(26);
                    w.bytes(obj.remoteAddr);
                }
                if (obj.remoteCertificate != null) {
                    w.uint32(34);
                    w.bytes(obj.remoteCertificate);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    connId: 0,
                    localAddr: uint8ArrayAlloc(0),
                    remoteAddr: uint8ArrayAlloc(0)
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.connId = reader.uint32();
                            break;
                        }
                        case 2: {
                            obj.localAddr = reader.bytes();
                            break;
                        }
                        case 3: {
                            obj.remoteAddr = reader.bytes();
                            break;
                        }
                        case 4: {
                            obj.remoteCertificate = reader.bytes();
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            });
        }
        return _codec;
    };
    Connected.encode = (obj) => {
        return encodeMessage(obj, Connected.codec());
    };
    Connected.decode = (buf, opts) => {
        return decodeMessage(buf, Connected.codec(), opts);
    };
})(Connected || (Connected = {}));
export var Close;
(function (Close) {
    let _codec;
    Close.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.connId != null && obj.connId !== 0)) {
                    w.uint32(8);
                    w.uint32(obj.connId);
                }
                if ((obj.abort != null && obj.abort !== false)) {
                    w.uint32(16);
                    w.bool(obj.abort);
                }
                if ((obj.code != null && obj.code !== 0)) {
                    w.uint32(24);
                    w.uint32(obj.code);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    connId: 0,
                    abort: false,
                    code: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.connId = reader.uint32();
                            break;
                        }
                        case 2: {
                            obj.abort = reader.bool();
                            break;
                        }
                        case 3: {
                            obj.code = reader.uint32();
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            });
        }
        return _codec;
    };
    Close.encode = (obj) => {
        return encodeMessage(obj, Close.codec());
    };
    Close.decode = (buf, opts) => {
        return decodeMessage(buf, Close.codec(), opts);
    };
})(Close || (Close = {}));
export var Ping;
(function (Ping) {
    let _codec;
    Ping.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.nonce != null && obj.nonce !== 0n)) {
                    w.uint32(8);
                    writeUint64(w, obj.nonce);
                }
                if ((obj.ioAgeMs != null && obj.ioAgeMs !== 0)) {
                    w.uint32(16);
                    w.uint32(obj.ioAgeMs);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    nonce: 0n,
                    ioAgeMs: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.nonce = reader.uint64();
                            break;
                        }
                        case 2: {
                            obj.ioAgeMs = reader.uint32();
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            });
        }
        return _codec;
    };
    Ping.encode = (obj) => {
        return encodeMessage(obj, Ping.codec());
    };
    Ping.decode = (buf, opts) => {
        return decodeMessage(buf, Ping.codec(), opts);
    };
})(Ping || (Ping = {}));
export var Stats;
(function (Stats) {
    let _codec;
    Stats.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.connId != null && obj.connId !== 0)) {
                    w.uint32(8);
                    w.uint32(obj.connId);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    connId: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.connId = reader.uint32();
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            });
        }
        return _codec;
    };
    Stats.encode = (obj) => {
        return encodeMessage(obj, Stats.codec());
    };
    Stats.decode = (buf, opts) => {
        return decodeMessage(buf, Stats.codec(), opts);
    };
})(Stats || (Stats = {}));
export var StatsResult;
(function (StatsResult) {
    let _codec;
    StatsResult.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if (obj.stats != null) {
                    for (const value of obj.stats) {
                        w.uint32(10);
                        Stat.codec().encode(value, w);
                    }
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    stats: []
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            if (opts.limits?.stats != null && obj.stats.length === opts.limits.stats) {
                                throw new MaxLengthError('Decode error - map field "stats" had too many elements');
                            }
                            obj.stats.push(Stat.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.stats$
                            }));
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            });
        }
        return _codec;
    };
    StatsResult.encode = (obj) => {
        return encodeMessage(obj, StatsResult.codec());
    };
    StatsResult.decode = (buf, opts) => {
        return decodeMessage(buf, StatsResult.codec(), opts);
    };
})(StatsResult || (StatsResult = {}));
export var Stat;
(function (Stat) {
    let _codec;
    Stat.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.key != null && obj.key !== '')) {
                    w.uint32(10);
                    w.string(obj.key);
                }
                if ((obj.value != null && obj.value !== 0n)) {
                    w.uint32(16);
                    writeUint64(w, obj.value);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    key: '',
                    value: 0n
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.key = reader.string();
                            break;
                        }
                        case 2: {
                            obj.value = reader.uint64();
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            });
        }
        return _codec;
    };
    Stat.encode = (obj) => {
        return encodeMessage(obj, Stat.codec());
    };
    Stat.decode = (buf, opts) => {
        return decodeMessage(buf, Stat.codec(), opts);
    };
})(Stat || (Stat = {}));
export var Sign;
(function (Sign) {
    let _codec;
    Sign.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.purpose != null && obj.purpose !== 0)) {
                    w.uint32(8);
                    w.uint32(obj.purpose);
                }
                if ((obj.spki != null && obj.spki.byteLength > 0)) {
                    w.uint32(18);
                    w.bytes(obj.spki);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    purpose: 0,
                    spki: uint8ArrayAlloc(0)
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.purpose = reader.uint32();
                            break;
                        }
                        case 2: {
                            obj.spki = reader.bytes();
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            });
        }
        return _codec;
    };
    Sign.encode = (obj) => {
        return encodeMessage(obj, Sign.codec());
    };
    Sign.decode = (buf, opts) => {
        return decodeMessage(buf, Sign.codec(), opts);
    };
})(Sign || (Sign = {}));
export var Signed;
(function (Signed) {
    let _codec;
    Signed.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.publicKey != null && obj.publicKey.byteLength > 0)) {
                    w.uint32(10);
                    w.bytes(obj.publicKey);
                }
                if ((obj.signature != null && obj.signature.byteLength > 0)) {
                    w.uint32(18);
                    w.bytes(obj.signature);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    publicKey: uint8ArrayAlloc(0),
                    signature: uint8ArrayAlloc(0)
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.publicKey = reader.bytes();
                            break;
                        }
                        case 2: {
                            obj.signature = reader.bytes();
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            });
        }
        return _codec;
    };
    Signed.encode = (obj) => {
        return encodeMessage(obj, Signed.codec());
    };
    Signed.decode = (buf, opts) => {
        return decodeMessage(buf, Signed.codec(), opts);
    };
})(Signed || (Signed = {}));
export var Drain;
(function (Drain) {
    let _codec;
    Drain.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {};
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            });
        }
        return _codec;
    };
    Drain.encode = (obj) => {
        return encodeMessage(obj, Drain.codec());
    };
    Drain.decode = (buf, opts) => {
        return decodeMessage(buf, Drain.codec(), opts);
    };
})(Drain || (Drain = {}));
export var Shutdown;
(function (Shutdown) {
    let _codec;
    Shutdown.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {};
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            });
        }
        return _codec;
    };
    Shutdown.encode = (obj) => {
        return encodeMessage(obj, Shutdown.codec());
    };
    Shutdown.decode = (buf, opts) => {
        return decodeMessage(buf, Shutdown.codec(), opts);
    };
})(Shutdown || (Shutdown = {}));
export var Cancel;
(function (Cancel) {
    let _codec;
    Cancel.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.id != null && obj.id !== 0)) {
                    w.uint32(8);
                    w.uint32(obj.id);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    id: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.id = reader.uint32();
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            });
        }
        return _codec;
    };
    Cancel.encode = (obj) => {
        return encodeMessage(obj, Cancel.codec());
    };
    Cancel.decode = (buf, opts) => {
        return decodeMessage(buf, Cancel.codec(), opts);
    };
})(Cancel || (Cancel = {}));
export var Accept;
(function (Accept) {
    let _codec;
    Accept.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.listenerId != null && obj.listenerId !== 0)) {
                    w.uint32(8);
                    w.uint32(obj.listenerId);
                }
                if ((obj.count != null && obj.count !== 0)) {
                    w.uint32(16);
                    w.uint32(obj.count);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    listenerId: 0,
                    count: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.listenerId = reader.uint32();
                            break;
                        }
                        case 2: {
                            obj.count = reader.uint32();
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            });
        }
        return _codec;
    };
    Accept.encode = (obj) => {
        return encodeMessage(obj, Accept.codec());
    };
    Accept.decode = (buf, opts) => {
        return decodeMessage(buf, Accept.codec(), opts);
    };
})(Accept || (Accept = {}));
export var Incoming;
(function (Incoming) {
    let _codec;
    Incoming.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.connId != null && obj.connId !== 0)) {
                    w.uint32(8);
                    w.uint32(obj.connId);
                }
                if ((obj.listenerId != null && obj.listenerId !== 0)) {
                    w.uint32(16);
                    w.uint32(obj.listenerId);
                }
                if ((obj.localAddr != null && obj.localAddr.byteLength > 0)) {
                    w.uint32(26);
                    w.bytes(obj.localAddr);
                }
                if ((obj.remoteAddr != null && obj.remoteAddr.byteLength > 0)) {
                    w.uint32(34);
                    w.bytes(obj.remoteAddr);
                }
                if (obj.remoteCertificate != null) {
                    w.uint32(42);
                    w.bytes(obj.remoteCertificate);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    connId: 0,
                    listenerId: 0,
                    localAddr: uint8ArrayAlloc(0),
                    remoteAddr: uint8ArrayAlloc(0)
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.connId = reader.uint32();
                            break;
                        }
                        case 2: {
                            obj.listenerId = reader.uint32();
                            break;
                        }
                        case 3: {
                            obj.localAddr = reader.bytes();
                            break;
                        }
                        case 4: {
                            obj.remoteAddr = reader.bytes();
                            break;
                        }
                        case 5: {
                            obj.remoteCertificate = reader.bytes();
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            });
        }
        return _codec;
    };
    Incoming.encode = (obj) => {
        return encodeMessage(obj, Incoming.codec());
    };
    Incoming.decode = (buf, opts) => {
        return decodeMessage(buf, Incoming.codec(), opts);
    };
})(Incoming || (Incoming = {}));
export var Refused;
(function (Refused) {
    let _codec;
    Refused.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.listenerId != null && obj.listenerId !== 0)) {
                    w.uint32(8);
                    w.uint32(obj.listenerId);
                }
                if ((obj.remoteAddr != null && obj.remoteAddr.byteLength > 0)) {
                    w.uint32(18);
                    w.bytes(obj.remoteAddr);
                }
                if (obj.status != null) {
                    w.uint32(26);
                    Status.codec().encode(obj.status, w);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    listenerId: 0,
                    remoteAddr: uint8ArrayAlloc(0)
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.listenerId = reader.uint32();
                            break;
                        }
                        case 2: {
                            obj.remoteAddr = reader.bytes();
                            break;
                        }
                        case 3: {
                            obj.status = Status.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.status
                            });
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            });
        }
        return _codec;
    };
    Refused.encode = (obj) => {
        return encodeMessage(obj, Refused.codec());
    };
    Refused.decode = (buf, opts) => {
        return decodeMessage(buf, Refused.codec(), opts);
    };
})(Refused || (Refused = {}));
export var Closed;
(function (Closed) {
    let _codec;
    Closed.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.connId != null && obj.connId !== 0)) {
                    w.uint32(8);
                    w.uint32(obj.connId);
                }
                if (obj.status != null) {
                    w.uint32(18);
                    Status.codec().encode(obj.status, w);
                }
                if ((obj.bytesIn != null && obj.bytesIn !== 0n)) {
                    w.uint32(24);
                    writeUint64(w, obj.bytesIn);
                }
                if ((obj.bytesOut != null && obj.bytesOut !== 0n)) {
                    w.uint32(32);
                    writeUint64(w, obj.bytesOut);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    connId: 0,
                    bytesIn: 0n,
                    bytesOut: 0n
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.connId = reader.uint32();
                            break;
                        }
                        case 2: {
                            obj.status = Status.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.status
                            });
                            break;
                        }
                        case 3: {
                            obj.bytesIn = reader.uint64();
                            break;
                        }
                        case 4: {
                            obj.bytesOut = reader.uint64();
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            });
        }
        return _codec;
    };
    Closed.encode = (obj) => {
        return encodeMessage(obj, Closed.codec());
    };
    Closed.decode = (buf, opts) => {
        return decodeMessage(buf, Closed.codec(), opts);
    };
})(Closed || (Closed = {}));
export var Addrs;
(function (Addrs) {
    let _codec;
    Addrs.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.listenerId != null && obj.listenerId !== 0)) {
                    w.uint32(8);
                    w.uint32(obj.listenerId);
                }
                if (obj.addrs != null) {
                    for (const value of obj.addrs) {
                        w.uint32(18);
                        w.bytes(value);
                    }
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    listenerId: 0,
                    addrs: []
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.listenerId = reader.uint32();
                            break;
                        }
                        case 2: {
                            if (opts.limits?.addrs != null && obj.addrs.length === opts.limits.addrs) {
                                throw new MaxLengthError('Decode error - map field "addrs" had too many elements');
                            }
                            obj.addrs.push(reader.bytes());
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            });
        }
        return _codec;
    };
    Addrs.encode = (obj) => {
        return encodeMessage(obj, Addrs.codec());
    };
    Addrs.decode = (buf, opts) => {
        return decodeMessage(buf, Addrs.codec(), opts);
    };
})(Addrs || (Addrs = {}));
export var Log;
(function (Log) {
    let _codec;
    Log.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.level != null && obj.level !== 0)) {
                    w.uint32(8);
                    w.uint32(obj.level);
                }
                if ((obj.scope != null && obj.scope !== '')) {
                    w.uint32(18);
                    w.string(obj.scope);
                }
                if ((obj.message != null && obj.message !== '')) {
                    w.uint32(26);
                    w.string(obj.message);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    level: 0,
                    scope: '',
                    message: ''
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.level = reader.uint32();
                            break;
                        }
                        case 2: {
                            obj.scope = reader.string();
                            break;
                        }
                        case 3: {
                            obj.message = reader.string();
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            });
        }
        return _codec;
    };
    Log.encode = (obj) => {
        return encodeMessage(obj, Log.codec());
    };
    Log.decode = (buf, opts) => {
        return decodeMessage(buf, Log.codec(), opts);
    };
})(Log || (Log = {}));
export var StreamHeader;
(function (StreamHeader) {
    let _codec;
    StreamHeader.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.connId != null && obj.connId !== 0)) {
                    w.uint32(8);
                    w.uint32(obj.connId);
                }
                if ((obj.kind != null && obj.kind !== 0)) {
                    w.uint32(16);
                    w.uint32(obj.kind);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    connId: 0,
                    kind: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.connId = reader.uint32();
                            break;
                        }
                        case 2: {
                            obj.kind = reader.uint32();
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            });
        }
        return _codec;
    };
    StreamHeader.encode = (obj) => {
        return encodeMessage(obj, StreamHeader.codec());
    };
    StreamHeader.decode = (buf, opts) => {
        return decodeMessage(buf, StreamHeader.codec(), opts);
    };
})(StreamHeader || (StreamHeader = {}));
