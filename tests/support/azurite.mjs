// Runs the Blob service of Azurite. The first argument is the folder with the package.
import { createRequire } from 'node:module'

const [folder] = process.argv.splice(2, 1)
createRequire(`${folder}/`)('azurite/dist/src/blob/main.js')
