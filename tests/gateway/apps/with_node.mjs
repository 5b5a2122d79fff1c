// What people write with the npm packages `ollama` and `openai`; prints what came, as JSON.
import { Ollama } from 'ollama'
import OpenAI from 'openai'

const url = process.argv[2]
const turns = [{ role: 'user', content: 'Hi' }]
const ollama = new Ollama({ host: url })
const options = { num_predict: 6, temperature: 0 }
const whole = await ollama.chat({ model: 'tiny', messages: turns, options })
let pieces = ''
for await (const part of await ollama.chat({ model: 'tiny', messages: turns, options, stream: true })) {
  pieces += part.message.content
}
const openai = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0 })
const asked = { model: 'tiny', messages: turns, max_tokens: 6, temperature: 0 }
const chat = await openai.chat.completions.create(asked)
let streamed = ''
for await (const event of await openai.chat.completions.create({ ...asked, stream: true })) {
  streamed += event.choices[0]?.delta?.content ?? ''
}
const response = await openai.responses.create({ model: 'tiny', input: 'Hi', max_output_tokens: 6, temperature: 0 })
let missing = 0
try {
  await openai.models.retrieve('nobody')
} catch (error) {
  missing = error.status
}
console.log(JSON.stringify({
  models: (await ollama.list()).models.map((one) => one.name),
  capabilities: (await ollama.show({ model: 'tiny' })).capabilities,
  vectors: (await ollama.embed({ model: 'tiny', input: ['a', 'b'] })).embeddings.length,
  ollama: { whole: whole.message.content, pieces, counted: whole.eval_count },
  openai: { whole: chat.choices[0].message.content, pieces: streamed, counted: chat.usage.completion_tokens },
  response: response.output_text,
  embeddings: (await openai.embeddings.create({ model: 'tiny', input: 'a' })).data[0].embedding.length,
  missing,
}))
