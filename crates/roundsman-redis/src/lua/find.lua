-- One message by its id. ARGV: nothing, a clock, the id. Answers K, sequence, value, past, name,
-- block; X, sequence, letter, body; the state, and what is remembered of one that is gone; or nothing.

local state, seq, was = locate(ARGV[3])
if not state and sub(ARGV[3], 1, 1) == 'm' then return {} end
if state == 'K' then
  local value = call('HGET', MESSAGE, seq)
  if not value then return {} end
  local lane = parse(value).lane
  return { 'K', seq, value, call('HGET', PAST, seq) or '', call('HGET', NAMES, lane) or '0:', call('HGET', BLOCKS, lane) or '' }
elseif state == 'X' then
  return { 'X', seq, call('HGET', LETTERS, seq) or '', call('HGET', BODIES, seq) or '' }
elseif state then
  return { state, now, sub(was, 34) }
end
return {}
