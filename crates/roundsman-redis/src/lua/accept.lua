-- Accepting a batch as a whole, or nothing of it: every draft is judged before the first write.
--
-- ARGV: epoch, or nothing from a node that stands by, now, max_backlog, its last tenth, keys small
-- enough for that, max_backlog_per_key, max_held_per_topic, max_ids, default expiry, lanes; for each
-- lane its name, shard, key and topic; for each draft the number of its lane and its body, or
-- `number+`, id, fingerprint, due, expiry, held and its body.

local stands_by = ARGV[1] == ''
local refusal
if stands_by then refusal = aside() else refusal = fence() end
if refusal then return refusal end
local max_backlog, last_tenth, small = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local max_account, max_held, max_ids = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local lives = tonumber(ARGV[9])
local lane_count, at = tonumber(ARGV[10]), 11
local names, shards, keys, topics = {}, {}, {}, {}
for index = 1, lane_count do
  names[index], shards[index], keys[index], topics[index] = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  at = at + 4
end

-- Reading them.
local count, lane_of, bodies, special, asked, any_held = 0, {}, {}, {}, {}, false
while ARGV[at] do
  count = count + 1
  local lane = tonumber(ARGV[at])
  if lane then
    lane_of[count], bodies[count] = lane, ARGV[at + 1]
    at = at + 2
  else
    lane_of[count], bodies[count] = tonumber(sub(ARGV[at], 1, -2)), ARGV[at + 6]
    local due, held = ARGV[at + 3], ARGV[at + 5] ~= ''
    if due == '' or tonumber(due) <= clock then due = '' end
    special[count] = { id = ARGV[at + 1], fingerprint = ARGV[at + 2], due = due, expires = ARGV[at + 4], held = held and due == '' }
    if special[count].id ~= '' then asked[#asked + 1] = special[count].id end
    any_held = any_held or held
    at = at + 7
  end
end

-- Judging them.
local found_ids, known_ids = gather(IDS, asked), {}
for index, id in ipairs(asked) do known_ids[id] = found_ids[index] end
local accounts, in_topics, state = {}, {}, call('HMGET', STATE, 'backlog', 'seq')
local backlog, seq, ids = tonumber(state[1]), tonumber(state[2]), call('HLEN', IDS)
for index, found in ipairs(gather(ACCOUNTS, keys)) do accounts[keys[index]] = tonumber(found) or 0 end
if any_held then
  for index, found in ipairs(gather(TOPICS, topics)) do in_topics[topics[index]] = tonumber(found) or 0 end
end

local function is_forgotten(was)
  local settled = match(was, '^[DEG](%-?%d+)', 33)
  return settled and tonumber(settled) + DAY <= clock
end

-- 'T' to be taken, 'D' a duplicate, 0 a conflicting id, or the number of the bound it goes past.
local fingerprints, renewed = {}, {}
local function judge(lane, draft)
  if draft and draft.id ~= '' then
    local was = fingerprints[draft.id]
    if not was and known_ids[draft.id] then
      if is_forgotten(known_ids[draft.id]) then renewed[draft.id] = true else was = sub(known_ids[draft.id], 1, 32) end
    end
    if was then return was == draft.fingerprint and 'D' or 0 end
    -- One namespace: a sender cannot take an id that was made here.
    if draft.fingerprint == '' then return 0 end
  end
  local account = accounts[keys[lane]]
  if backlog >= max_backlog or (backlog >= last_tenth and account >= small) then return 1 end
  if account >= max_account then return 2 end
  if draft then
    if draft.held and in_topics[topics[lane]] >= max_held then return 3 end
    if draft.id ~= '' then
      if ids >= max_ids and not renewed[draft.id] then return 4 end
      fingerprints[draft.id] = draft.fingerprint
      if not renewed[draft.id] then ids = ids + 1 end
    end
  end
  backlog = backlog + 1
  accounts[keys[lane]] = account + 1
  if any_held and not (draft and draft.due ~= '') then add(in_topics, topics[lane], 1) end
  return 'T'
end

local refusals, duplicates, is_duplicate, wanted = {}, {}, {}, {}
for index = 1, count do
  local verdict = judge(lane_of[index], special[index])
  if verdict == 'T' then
    wanted[lane_of[index]] = true
  elseif verdict == 'D' then
    is_duplicate[index] = true
    duplicates[#duplicates + 1] = index - 1
  else
    refusals[#refusals + 1] = index - 1
    refusals[#refusals + 1] = verdict
  end
end
if #refusals > 0 then return { 'R', refusals } end

-- Taking them.
local lanes, made, made_names = gather(LANES, names), {}, {}
local fresh = {}
for index = 1, lane_count do
  if wanted[index] and not lanes[index] then fresh[#fresh + 1] = index end
end
if #fresh > 0 then
  local number = call('HINCRBY', STATE, 'lanes', #fresh) - #fresh
  for offset, index in ipairs(fresh) do
    local lane = shards[index] .. format('%012x', number + offset)
    lanes[index] = lane
    made[#made + 1], made[#made + 2] = names[index], lane
    made_names[#made_names + 1], made_names[#made_names + 2] = lane, names[index]
  end
  many('HSET', LANES, made)
  many('HSET', NAMES, made_names)
end
local heads, default = {}, lives and text(clock + lives) or ''
local messages, expiries, dues, given, renewals = {}, {}, {}, {}, {}
local queues, by_account, by_topic, later = {}, {}, {}, {}
local first, taken = seq, 0
for index = 1, count do
  if not is_duplicate[index] then
    seq = seq + 1
    taken = taken + 1
    local lane, draft, s = lane_of[index], special[index], format('%d', seq)
    local due, expires, value = '', default, nil
    if draft then
      due, expires = draft.due, draft.expires
      if expires == '' and lives then expires = due == '' and default or text(tonumber(due) + lives) end
      local id = draft.id ~= '' and 'g' .. draft.id or ''
      value = lanes[lane] .. ' ' .. due .. ' ' .. now .. ' ' .. expires .. ' ' .. #id .. '\n' .. id .. bodies[index]
      if id ~= '' then
        given[#given + 1], given[#given + 2] = draft.id, draft.fingerprint .. 'K' .. s
        if renewed[draft.id] then renewals[#renewals + 1] = draft.id end
      end
    else
      local head = heads[lane]
      if not head then
        head = lanes[lane] .. '  ' .. now .. ' ' .. default .. ' 0\n'
        heads[lane] = head
      end
      value = head .. bodies[index]
    end
    local size = #messages
    messages[size + 1], messages[size + 2] = s, value
    if expires ~= '' then
      size = #expiries
      expiries[size + 1], expiries[size + 2] = expires, s
    end
    add(by_account, keys[lane], 1)
    if due ~= '' then
      dues[#dues + 1], dues[#dues + 2] = due, pad(s)
      add(later, lanes[lane], 1)
    else
      local list = queues[lane]
      if not list then
        list = {}
        queues[lane] = list
      end
      size = #list
      list[size + 1], list[size + 2] = s, s
    end
  end
end
many('HSET', MESSAGE, messages)
many('ZADD', EXPIRY, expiries)
many('ZADD', DUE, dues)
many('HSET', IDS, given)
many('ZREM', FORGET, renewals)
tally(ACCOUNTS, by_account)
tally(LATER, later)

-- What the lanes are like, for whoever passes the news on: number, block, the newest before.
local answer, turns, held, by_held, news = {}, {}, 0, {}, {}
for index = 1, lane_count do lanes[index] = lanes[index] or '' end
local blocks = gather(BLOCKS, lanes)
for index = 1, lane_count do
  local list, lane, tail = queues[index], lanes[index], ''
  if list then
    local arrived = #list / 2
    tail = call('ZRANGE', queue(lane), -1, -1)[1]
    many('ZADD', queue(lane), list)
    if stands_by and not blocks[index] then news[#news + 1] = lane end
    add(by_topic, topics[index], arrived)
    if not blocks[index] and not tail then
      turns[#turns + 1], turns[#turns + 2] = 0, lane
    elseif blocks[index] and sub(blocks[index], 1, 1) == 'A' then
      held = held + arrived
      add(by_held, keys[index], arrived)
    end
  end
  local size = #answer
  answer[size + 1], answer[size + 2], answer[size + 3] = lane, blocks[index] and 1 or 0, tail or '0'
end
many('ZADD', TURNS, turns)
many('SADD', NEWS, news)
tally(TOPICS, by_topic)
tally(HELD, by_held)
if held > 0 then call('HINCRBY', STATE, 'held', held) end
if taken > 0 then
  call('HINCRBY', STATE, 'backlog', taken)
  call('HSET', STATE, 'seq', text(seq))
end
return { 'A', now, text(first), duplicates, answer }
