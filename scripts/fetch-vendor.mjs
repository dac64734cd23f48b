// Fetches the third-party sources that vendor/ names, by pinned hash, into .cache/vendor.
// Plain JavaScript for Node >= 20: runs before anything else is there.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'

const root = path.resolve(import.meta.dirname, '..')
const cache = process.env.XTP_VENDOR_CACHE ?? path.join(root, '.cache/vendor')

/** Packs an npm package without installing it; returns the path of the tarball. */
function packFromNpm(spec, into) {
  const out = execFileSync('npm', ['pack', spec, '--pack-destination', into, '--silent'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit']
  })
  return path.join(into, out.trim().split('\n').at(-1))
}

function verify(file, integrity) {
  const [algorithm, expected] = integrity.split(/-(.*)/s)
  const actual = createHash(algorithm).update(fs.readFileSync(file)).digest('base64')
  if (actual !== expected) {
    fs.rmSync(file)
    throw new Error(
      `${path.basename(file)} has ${algorithm}-${actual}, but vendor/ pins ${integrity}. ` +
        'The download was removed; try again, and if it happens again do not build.'
    )
  }
}

/** Makes the folder .cache/vendor/<name> hold what vendor/<name>/recipe.json pins. */
export function fetchVendor(name) {
  const recipe = JSON.parse(fs.readFileSync(path.join(root, 'vendor', name, 'recipe.json'), 'utf8'))
  const target = path.join(cache, name)
  const stamp = path.join(target, '.integrity')
  if (fs.existsSync(stamp) && fs.readFileSync(stamp, 'utf8') === recipe.integrity) {
    return target
  }

  console.log(`vendor: fetching ${name} from ${recipe.npm}@${recipe.version}`)
  fs.mkdirSync(cache, { recursive: true })
  const work = fs.mkdtempSync(path.join(cache, `${name}-`))
  try {
    let tarball
    try {
      tarball = packFromNpm(`${recipe.npm}@${recipe.version}`, work)
    } catch (cause) {
      throw new Error(
        `cannot fetch ${recipe.npm}@${recipe.version} for ${name}: is the package registry reachable? ` +
          `Or put the unpacked sources into ${target} and its integrity into ${stamp}.`,
        { cause }
      )
    }
    verify(tarball, recipe.integrity)
    execFileSync('tar', ['-xzf', tarball, '-C', work])
    const unpacked = path.join(work, recipe.folder)
    for (const file of recipe.licences) {
      fs.copyFileSync(path.join(work, file), path.join(unpacked, `LICENCE.${path.basename(file)}`))
    }
    fs.writeFileSync(path.join(unpacked, '.integrity'), recipe.integrity)
    fs.rmSync(target, { recursive: true, force: true })
    fs.renameSync(unpacked, target)
  } finally {
    fs.rmSync(work, { recursive: true, force: true })
  }
  return target
}

if (process.argv[1] === import.meta.filename) {
  for (const name of process.argv.slice(2).length > 0 ? process.argv.slice(2) : ['libutp']) {
    console.log(`vendor: ${name} in ${path.relative(root, fetchVendor(name))}`)
  }
}
