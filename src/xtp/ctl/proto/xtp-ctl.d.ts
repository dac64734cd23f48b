// Generated from spec/xtp-ctl.proto by scripts/generate-proto.mjs. Do not edit.
import type { Codec, DecodeOptions } from 'protons-runtime';
import type { Uint8ArrayList } from 'uint8arraylist';
export interface Frame {
    id: number;
    reply: boolean;
    status?: Status;
    deadlineMs: number;
    hello?: Hello;
    listen?: Listen;
    listening?: Listening;
    unlisten?: Unlisten;
    dial?: Dial;
    connected?: Connected;
    close?: Close;
    ping?: Ping;
    stats?: Stats;
    statsResult?: StatsResult;
    drain?: Drain;
    shutdown?: Shutdown;
    sign?: Sign;
    signed?: Signed;
    cancel?: Cancel;
    accept?: Accept;
    incoming?: Incoming;
    refused?: Refused;
    closed?: Closed;
    addrs?: Addrs;
    log?: Log;
}
export declare namespace Frame {
    const codec: () => Codec<Frame>;
    const encode: (obj: Partial<Frame>) => Uint8Array;
    const decode: (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Frame>) => Frame;
}
export interface Status {
    code: number;
    message: string;
    errno: string;
    retryable: boolean;
}
export declare namespace Status {
    const codec: () => Codec<Status>;
    const encode: (obj: Partial<Status>) => Uint8Array;
    const decode: (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Status>) => Status;
}
export interface Option {
    key: string;
    value: string;
}
export declare namespace Option {
    const codec: () => Codec<Option>;
    const encode: (obj: Partial<Option>) => Uint8Array;
    const decode: (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Option>) => Option;
}
export interface Hello {
    implementation: string;
    features: string[];
    options: Option[];
    limits?: Limits;
    transports: Transport[];
    pid: number;
}
export declare namespace Hello {
    const codec: () => Codec<Hello>;
    const encode: (obj: Partial<Hello>) => Uint8Array;
    const decode: (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Hello>) => Hello;
}
export interface Limits {
    maxFrameBytes: number;
    maxConnections: number;
    maxListeners: number;
    maxRequests: number;
}
export declare namespace Limits {
    const codec: () => Codec<Limits>;
    const encode: (obj: Partial<Limits>) => Uint8Array;
    const decode: (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Limits>) => Limits;
}
export interface Transport {
    name: string;
    protocols: number[];
    capabilities: number;
}
export declare namespace Transport {
    const codec: () => Codec<Transport>;
    const encode: (obj: Partial<Transport>) => Uint8Array;
    const decode: (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Transport>) => Transport;
}
export interface Listen {
    listenerId: number;
    addr: Uint8Array;
    accept: number;
}
export declare namespace Listen {
    const codec: () => Codec<Listen>;
    const encode: (obj: Partial<Listen>) => Uint8Array;
    const decode: (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Listen>) => Listen;
}
export interface Listening {
    addr: Uint8Array;
}
export declare namespace Listening {
    const codec: () => Codec<Listening>;
    const encode: (obj: Partial<Listening>) => Uint8Array;
    const decode: (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Listening>) => Listening;
}
export interface Unlisten {
    listenerId: number;
}
export declare namespace Unlisten {
    const codec: () => Codec<Unlisten>;
    const encode: (obj: Partial<Unlisten>) => Uint8Array;
    const decode: (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Unlisten>) => Unlisten;
}
export interface Dial {
    connId: number;
    addr: Uint8Array;
}
export declare namespace Dial {
    const codec: () => Codec<Dial>;
    const encode: (obj: Partial<Dial>) => Uint8Array;
    const decode: (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Dial>) => Dial;
}
export interface Connected {
    connId: number;
    localAddr: Uint8Array;
    remoteAddr: Uint8Array;
    remoteCertificate?: Uint8Array;
}
export declare namespace Connected {
    const codec: () => Codec<Connected>;
    const encode: (obj: Partial<Connected>) => Uint8Array;
    const decode: (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Connected>) => Connected;
}
export interface Close {
    connId: number;
    abort: boolean;
    code: number;
}
export declare namespace Close {
    const codec: () => Codec<Close>;
    const encode: (obj: Partial<Close>) => Uint8Array;
    const decode: (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Close>) => Close;
}
export interface Ping {
    nonce: bigint;
    ioAgeMs: number;
}
export declare namespace Ping {
    const codec: () => Codec<Ping>;
    const encode: (obj: Partial<Ping>) => Uint8Array;
    const decode: (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Ping>) => Ping;
}
export interface Stats {
    connId: number;
}
export declare namespace Stats {
    const codec: () => Codec<Stats>;
    const encode: (obj: Partial<Stats>) => Uint8Array;
    const decode: (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Stats>) => Stats;
}
export interface StatsResult {
    stats: Stat[];
}
export declare namespace StatsResult {
    const codec: () => Codec<StatsResult>;
    const encode: (obj: Partial<StatsResult>) => Uint8Array;
    const decode: (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<StatsResult>) => StatsResult;
}
export interface Stat {
    key: string;
    value: bigint;
}
export declare namespace Stat {
    const codec: () => Codec<Stat>;
    const encode: (obj: Partial<Stat>) => Uint8Array;
    const decode: (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Stat>) => Stat;
}
export interface Sign {
    purpose: number;
    spki: Uint8Array;
}
export declare namespace Sign {
    const codec: () => Codec<Sign>;
    const encode: (obj: Partial<Sign>) => Uint8Array;
    const decode: (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Sign>) => Sign;
}
export interface Signed {
    publicKey: Uint8Array;
    signature: Uint8Array;
}
export declare namespace Signed {
    const codec: () => Codec<Signed>;
    const encode: (obj: Partial<Signed>) => Uint8Array;
    const decode: (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Signed>) => Signed;
}
export interface Drain {
}
export declare namespace Drain {
    const codec: () => Codec<Drain>;
    const encode: (obj: Partial<Drain>) => Uint8Array;
    const decode: (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Drain>) => Drain;
}
export interface Shutdown {
}
export declare namespace Shutdown {
    const codec: () => Codec<Shutdown>;
    const encode: (obj: Partial<Shutdown>) => Uint8Array;
    const decode: (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Shutdown>) => Shutdown;
}
export interface Cancel {
    id: number;
}
export declare namespace Cancel {
    const codec: () => Codec<Cancel>;
    const encode: (obj: Partial<Cancel>) => Uint8Array;
    const decode: (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Cancel>) => Cancel;
}
export interface Accept {
    listenerId: number;
    count: number;
}
export declare namespace Accept {
    const codec: () => Codec<Accept>;
    const encode: (obj: Partial<Accept>) => Uint8Array;
    const decode: (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Accept>) => Accept;
}
export interface Incoming {
    connId: number;
    listenerId: number;
    localAddr: Uint8Array;
    remoteAddr: Uint8Array;
    remoteCertificate?: Uint8Array;
}
export declare namespace Incoming {
    const codec: () => Codec<Incoming>;
    const encode: (obj: Partial<Incoming>) => Uint8Array;
    const decode: (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Incoming>) => Incoming;
}
export interface Refused {
    listenerId: number;
    remoteAddr: Uint8Array;
    status?: Status;
}
export declare namespace Refused {
    const codec: () => Codec<Refused>;
    const encode: (obj: Partial<Refused>) => Uint8Array;
    const decode: (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Refused>) => Refused;
}
export interface Closed {
    connId: number;
    status?: Status;
    bytesIn: bigint;
    bytesOut: bigint;
}
export declare namespace Closed {
    const codec: () => Codec<Closed>;
    const encode: (obj: Partial<Closed>) => Uint8Array;
    const decode: (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Closed>) => Closed;
}
export interface Addrs {
    listenerId: number;
    addrs: Uint8Array[];
}
export declare namespace Addrs {
    const codec: () => Codec<Addrs>;
    const encode: (obj: Partial<Addrs>) => Uint8Array;
    const decode: (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Addrs>) => Addrs;
}
export interface Log {
    level: number;
    scope: string;
    message: string;
}
export declare namespace Log {
    const codec: () => Codec<Log>;
    const encode: (obj: Partial<Log>) => Uint8Array;
    const decode: (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Log>) => Log;
}
export interface StreamHeader {
    connId: number;
    kind: number;
}
export declare namespace StreamHeader {
    const codec: () => Codec<StreamHeader>;
    const encode: (obj: Partial<StreamHeader>) => Uint8Array;
    const decode: (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<StreamHeader>) => StreamHeader;
}
