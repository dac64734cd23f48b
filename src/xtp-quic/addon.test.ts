import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { hasQuicTls, loadQuicAddon, type Versions } from './addon.ts'

const NODE: Versions = { node: '24.21.0', openssl: '3.5.8' }
const OLD: Versions = { node: '22.10.0', openssl: '3.0.15+quic' }

describe('choice of the addon', () => {
  it('knows which OpenSSL has TLS for QUIC', () => {
    const all = ['3.5.0', '3.5.8+quic', '3.10.1', '4.0.0', '3.4.9', '3.0.15', '1.1.1', '0.0.0', '']
    assert.deepEqual(
      all.filter(openssl => hasQuicTls({ node: '24.0.0', openssl })),
      ['3.5.0', '3.5.8+quic', '3.10.1', '4.0.0']
    )
    assert.equal(hasQuicTls({ node: '24.0.0' }), false)
    assert.equal(hasQuicTls({ ...NODE, electron: '40.0.0' }), false)
  })

  it('takes the one that fits, and the static one where that is not there', () => {
    const tried: string[] = []
    const load = (missing: number) => (dir: string) => {
      tried.push(dir)
      if (tried.length <= missing) {
        throw new Error('No native build was found\nmore')
      }
      return dir
    }
    assert.equal(loadQuicAddon('/p', NODE, load(0)) as unknown, '/p')
    tried.length = 0
    assert.equal(loadQuicAddon('/p', NODE, load(1)) as unknown, '/p/static')
    tried.length = 0
    assert.equal(loadQuicAddon('/p', OLD, load(0)) as unknown, '/p/static')
    assert.deepEqual(tried, ['/p/static'])
  })

  it('says where it looked and what to do', () => {
    const load = () => {
      throw new Error('No native build was found\nmore')
    }
    assert.throws(
      () => loadQuicAddon('/p', NODE, load),
      /looked into \/p\/prebuilds\/.* and \/p\/static\/prebuilds.*No native build was found;.*Reinstall/
    )
    assert.throws(
      () => loadQuicAddon('/p', OLD, load),
      /OpenSSL 3\.0\.15\+quic: looked into \/p\/static\/.*3\.5 or newer/
    )
  })
})
