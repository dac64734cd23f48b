// Right certificates, taken apart, changed and put together again, with and without a new signature by their own
// key: the verifier names the right peer, or refuses with a typed error. XTP_FUZZ_FRAMES sets their number.
import assert from 'node:assert/strict'
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { before, describe, it } from 'node:test'
import { generateKeyPair } from '@libp2p/crypto/keys'
import fc from 'fast-check'
import { PeerCertificateError } from '../ctl/index.ts'
import { DerReader } from './der.ts'
import {
  type Bytes,
  type CertificateInit,
  der,
  hex,
  makeCertificate,
  newTlsKey,
  sequence
} from './testing/certificates.ts'
import { verifyPeerCertificate } from './tls-certificate.ts'

const RUNS = Math.ceil(Number(process.env.XTP_FUZZ_FRAMES ?? 25_000) / 10)
const REACHED = [
  'taken',
  'malformed',
  'not-self-signed',
  'unsupported-key',
  'no-libp2p-extension',
  'bad-host-key',
  'bad-host-signature'
]
const OCTET_STRING = 0x04

interface Kind {
  certificate: Buffer
  peer: string
  tlsKey: KeyObject
  algorithm: Bytes
  hash: string | null
}

interface Element {
  tag: number
  content: Bytes
  /** Of a constructed element, and of an OCTET STRING that holds others. */
  children?: Element[]
}

interface Change {
  what: keyof typeof CHANGES
  at: number
  other: number
  bytes: Bytes
}

function elementsOf(bytes: Bytes): Element[] {
  const reader = new DerReader(bytes)
  const found: Element[] = []
  while (!reader.isAtEnd) {
    const { tag, content } = reader.read(reader.nextTag as number)
    const element: Element = { tag, content }
    try {
      if ((tag & 0x20) !== 0 || (tag === OCTET_STRING && content.byteLength > 0)) {
        element.children = elementsOf(content)
      }
    } catch {
      // bytes that are no DER
    }
    found.push(element)
  }
  return found
}

const encode = ({ tag, content, children }: Element): Buffer =>
  der(tag, ...(children?.map(encode) ?? [content]))

/** Every element, with the list in which it is. */
function places(list: Element[]): Array<[Element[], number]> {
  return list.flatMap(
    (element, i): Array<[Element[], number]> => [[list, i], ...places(element.children ?? [])]
  )
}

/** What happens to the element at `i` of `list`; `stolen` is one of another peer's certificate. */
const CHANGES = {
  drop: (list: Element[], i: number) => list.splice(i, 1),
  repeat: (list: Element[], i: number) => list.splice(i, 0, structuredClone(list[i] as Element)),
  steal: (list: Element[], i: number, stolen: Element) => list.splice(i, 1, stolen),
  smuggle: (list: Element[], i: number, stolen: Element) => list.splice(i, 0, stolen),
  tag: (list: Element[], i: number, _: Element, { bytes }: Change) => {
    const element = list[i] as Element
    element.tag = bytes[0] ?? 0
  },
  content: (list: Element[], i: number, _: Element, { bytes }: Change) => {
    list[i] = { tag: (list[i] as Element).tag, content: bytes }
  },
  flip: (list: Element[], i: number, _: Element, { other }: Change) => {
    const element = list[i] as Element
    const content = Uint8Array.from(encode({ ...element, tag: 0 }).subarray(2))
    if (content.byteLength > 0) {
      const at = other % content.byteLength
      content[at] = (content[at] as number) ^ (1 << (other % 8))
    }
    list[i] = { tag: element.tag, content }
  },
  nest: (list: Element[], i: number, _: Element, { other }: Change) => {
    let element = list[i] as Element
    for (let depth = other % 200; depth > 0; depth--) {
      element = { tag: 0x30, content: new Uint8Array(0), children: [element] }
    }
    list[i] = element
  },
  grow: (list: Element[], i: number, _: Element, { bytes }: Change) => {
    const element = list[i] as Element
    const { byteLength } = element.content
    const content = Buffer.concat([element.content, bytes, Buffer.alloc(byteLength % 3)])
    list[i] = { tag: element.tag, content }
  },
  reverse: (list: Element[]) => list.reverse()
}

function changed(kind: Kind, thief: Kind, changes: Change[]): Element[] {
  const root = elementsOf(kind.certificate)
  for (const change of changes) {
    const own = places(root)
    if (own.length > 0) {
      const [list, i] = own[change.at % own.length] as [Element[], number]
      const theirs = places(elementsOf(thief.certificate))
      const [from, j] = theirs[change.other % theirs.length] as [Element[], number]
      CHANGES[change.what](list, i, from[j] as Element, change)
    }
  }
  return root
}

describe('certificates that were taken apart', () => {
  const kinds: Kind[] = []

  before(async () => {
    const ed25519 = generateKeyPairSync('ed25519').privateKey
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
    const inits: Array<
      Required<Pick<CertificateInit, 'hostKey' | 'tlsKey' | 'algorithm' | 'hash'>>
    > = [
      {
        hostKey: await generateKeyPair('Ed25519'),
        tlsKey: newTlsKey(),
        algorithm: hex('300a 0608 2a8648ce3d040302'),
        hash: 'sha256'
      },
      {
        hostKey: await generateKeyPair('secp256k1'),
        tlsKey: ed25519,
        algorithm: hex('3005 0603 2b6570'),
        hash: null
      },
      {
        hostKey: await generateKeyPair('ECDSA'),
        tlsKey: newTlsKey('P-384'),
        algorithm: hex('300a 0608 2a8648ce3d040303'),
        hash: 'sha384'
      },
      {
        hostKey: await generateKeyPair('RSA', 2048),
        tlsKey: rsa,
        algorithm: hex('300d 0609 2a864886f70d01010b 0500'),
        hash: 'sha256'
      }
    ]
    for (const init of inits) {
      const certificate = await makeCertificate(init)
      kinds.push({ ...init, certificate, peer: String(await verifyPeerCertificate(certificate)) })
    }
  })

  /** The peer, or the reason. */
  async function verdict(certificate: Bytes): Promise<string> {
    try {
      return String(await verifyPeerCertificate(certificate))
    } catch (error) {
      assert.ok(error instanceof PeerCertificateError, String((error as Error).stack))
      assert.ok(error.reason !== undefined)
      return error.reason
    }
  }

  const change = fc.record({
    what: fc.constantFrom(...(Object.keys(CHANGES) as Array<keyof typeof CHANGES>)),
    at: fc.nat(),
    other: fc.nat(),
    bytes: fc.uint8Array({ maxLength: 40 })
  })
  const changes = fc.array(change, { minLength: 1, maxLength: 3 })
  const index = fc.nat({ max: 3 })

  it('are refused: something is signed by nobody', async () => {
    await fc.assert(
      fc.asyncProperty(index, index, changes, async (own, other, list) => {
        const [kind, thief] = [kinds[own] as Kind, kinds[other] as Kind]
        const bytes = Buffer.concat(changed(kind, thief, list).map(encode))
        const whole = kinds.find(({ certificate }) => certificate.equals(bytes))
        const found = await verdict(bytes)
        if (whole !== undefined) {
          assert.equal(found, whole.peer)
        } else {
          assert.ok(
            kinds.every(({ peer }) => peer !== found),
            `${found} has not signed this`
          )
        }
      }),
      { numRuns: RUNS }
    )
  })

  it('are of nobody else, signed again with their own key', async () => {
    const seen = new Map<string, number>()
    await fc.assert(
      fc.asyncProperty(index, index, changes, async (own, other, list) => {
        const [kind, thief] = [kinds[own] as Kind, kinds[other] as Kind]
        const { tlsKey, algorithm, hash, peer } = kind
        const [first] = changed(kind, thief, list)
        const [signed] = first?.children ?? []
        const tbs = signed === undefined ? Buffer.alloc(0) : encode(signed)
        const bits = sign(hash, tbs, tlsKey)
        const found = await verdict(sequence(tbs, algorithm, der(0x03, Buffer.of(0), bits)))
        assert.ok(
          kinds.every(one => one.peer !== found || one === kind),
          `it is of ${peer}, not of ${found}`
        )
        const name = found === peer ? 'taken' : found
        seen.set(name, (seen.get(name) ?? 0) + 1)
      }),
      { numRuns: RUNS }
    )
    // or it has fuzzed the first lines of the verifier only
    for (const name of RUNS < 2_000 ? [] : REACHED) {
      assert.ok(seen.has(name), `${name} is not among ${[...seen.keys()].join(', ')}`)
    }
  })
})
