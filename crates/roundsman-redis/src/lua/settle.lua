-- Settling a batch: what became of attempts, one after the other, each answered for itself.
--
-- ARGV: epoch, now, how many; of each the sequence, or nothing where it is named by its id; then of
-- each two letters, how it is named and what became of it, followed by `lane attempt` (A) or
-- `id topic attempt` (I), and by `at place failure payload?` (R) or `reason failure` (X).

local refusal = fence()
if refusal then return refusal end
local count, asked, records = tonumber(ARGV[3]), {}, {}
for index = 1, count do
  if ARGV[3 + index] ~= '' then asked[#asked + 1] = ARGV[3 + index] end
end
local values, pasts = gather(MESSAGE, asked), gather(PAST, asked)
local raw, tried = {}, {}
for index, seq in ipairs(asked) do raw[seq], tried[seq] = values[index], pasts[index] end

-- A message during this call: `records` knows what was taken out, or changed.
local function look(seq)
  local record = records[seq]
  if record == nil then
    local value = raw[seq]
    if value == nil then value = call('HGET', MESSAGE, seq) end
    record = value and parse(value)
    records[seq] = record
  end
  return record
end

local function past_during(seq)
  local past = tried[seq]
  if past == nil then return past_of(seq) end
  if past == false then return { a = 0 } end
  if type(past) == 'string' then past = cjson.decode(past) end
  return past
end

local function write_past(seq, past)
  tried[seq] = past
  remember(seq, past)
end

local function settle_failed(seq, attempt, failure)
  local past = past_during(seq)
  fail(past, attempt, failure)
  return past
end

local function retry(seq, record, attempt, due, place, failure, payload)
  local past = settle_failed(seq, attempt, failure)
  if payload then
    past.g = true
    local body = body_of(record)
    local length, from = match(body, '^(%d+)\n()')
    record.value = build(record, sub(body, 1, from + tonumber(length) - 1) .. payload)
    record.body = parse(record.value).body
    call('HSET', MESSAGE, seq, record.value)
  end
  write_past(seq, past)
  if place == 'L' or record.due ~= '' then
    put_off(seq, record, due)
    records[seq] = nil
    raw[seq] = nil
  elseif tonumber(due) > clock then
    -- Where several of a lane are tried again, it waits for all of them.
    flush()
    local block = call('HGET', BLOCKS, record.lane)
    if block and sub(block, 1, 1) == 'U' and tonumber(sub(block, 2)) > tonumber(due) then due = sub(block, 2) end
    set_block(record.lane, 'U' .. due)
  end
end

local answer, at = { now }, 4 + count
for index = 1, count do
  local op, seq = ARGV[at], ARGV[3 + index]
  local how, what = sub(op, 1, 1), sub(op, 2, 2)
  local record, attempt
  if how == 'A' then
    record, attempt = look(seq), tonumber(ARGV[at + 2])
    if record and (record.lane ~= ARGV[at + 1] or record.due ~= '') then record = nil end
    at = at + 3
  else
    attempt = tonumber(ARGV[at + 3])
    local state, place = locate(ARGV[at + 1])
    if state == 'K' then
      seq = place
      -- What this batch has ended is still written there, but no longer among the records.
      record = look(seq)
      local _, topic = name_of(record and record.lane or '')
      if topic ~= ARGV[at + 2] then record = nil end
    end
    at = at + 4
  end
  local result, attempts = 'U', 0
  if record then
    attempts = tried[seq] == false and 0 or past_during(seq).a
    if how == 'I' then attempt = math.max(attempt, attempts) end
    if how == 'A' or attempt > 0 then result = attempt < attempts and 'S' or record.lane end
  end
  local is_done = result ~= 'U' and result ~= 'S'
  if what == 'D' or what == 'E' then
    if is_done then
      finish(seq, record, what == 'D' and math.max(attempt, attempts) or attempts, what)
      records[seq] = false
    end
  elseif what == 'S' then
    if is_done then
      local past = past_during(seq)
      conclude(past, attempt)
      write_past(seq, past)
    end
  elseif what == 'R' then
    local payload = ARGV[at + 3] == '+' and ARGV[at + 4] or nil
    if is_done then retry(seq, record, attempt, ARGV[at], ARGV[at + 1], ARGV[at + 2], payload) end
    at = at + (ARGV[at + 3] == '+' and 5 or 4)
  else
    if is_done then
      -- Without a failure nothing was sent: it was only found too old to try again.
      local past = ARGV[at + 1] ~= '' and settle_failed(seq, attempt, ARGV[at + 1]) or past_during(seq)
      bury(seq, record, past, ARGV[at])
      records[seq] = false
    end
    at = at + 2
  end
  local size = #answer
  answer[size + 1], answer[size + 2], answer[size + 3] = result, seq, record and record.accepted or ''
end
flush()
return answer
