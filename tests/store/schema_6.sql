-- A store of schema 6: a campaign with a higher level and a re-issued verdict, and a second one, as gnome_lite wrote it (sqlite3 .dump).
BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('6');
CREATE TABLE campaign (
	name VARCHAR(64) NOT NULL, 
	config TEXT NOT NULL, 
	level TEXT NOT NULL, 
	reference_set_id TEXT NOT NULL, 
	n_references INTEGER NOT NULL, 
	begun_at TEXT NOT NULL, 
	checksum BIGINT DEFAULT 0 NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "campaign" VALUES('first','{"expert":{"cutoff_ang":4.0,"steps":3,"structures_per_composition":100,"supercell_max":4,"volume_jitter":0.2},"gates":{"charge_balance":"strict","min_distance_ratio":0.6,"volume_per_atom_max":80.0,"volume_per_atom_min":4.0},"generate":{"candidates":1000,"composition_e_above_hull_max":0.05,"max_atoms":20,"mix":{"partial":3.0,"prototypes":2.0,"random":1.0,"substitution":4.0},"parents":[],"parents_e_above_hull_max":0.2,"threshold":0.001},"name":"first","predict":{"batch_size":32,"carry_over":200,"cascade":true,"epochs":40,"learning_rate":0.003,"members":4,"patience":0,"processes":0,"replay_buffer":4000,"retrain":"always","retrain_epochs":6,"retrain_from":"base","retrain_learning_rate":0.0002,"volume_scan":0,"width":null},"rounds":3,"seed":0,"select":{"budget":24,"budget_s":null,"control":4,"e_above_hull_max":0.05,"explore":0.0,"per_composition":1,"per_system":0,"strategy":"p_stable","substitution_share":0.0},"sources":{"files":[],"include_gnome":false,"licences":"any","materials_project":[],"releases":[],"seed":true},"space":{"allow_radioactive":false,"allow_uncovered":false,"chemical_systems":[],"elements":["Li","Na","K","Mg","Ca","Sr","Ba","Al","Si","Ti","Mn","Fe","Zn","N","P","O","S","F","Cl"],"max_elements":4,"min_elements":2},"stop":{"hit_rate":0.05,"min_new_fraction":0.01,"patience":2},"verify":{"calculator":"chgnet","calculator_kwargs":{},"corrections":"auto","deadline_s":120.0,"fmax_ev_per_ang":0.05,"level":{},"levels":[],"max_steps":200,"memory_gib":6.0,"prerelax":"off","processes":0,"symmetry":"broken","trajectories":"off","tries":2}}','test-1','156f82dc674e7d6c',11,'2026-11-30T23:22:19.141+00:00',3277399736);
INSERT INTO "campaign" VALUES('second','{"expert":{"cutoff_ang":4.0,"steps":3,"structures_per_composition":100,"supercell_max":4,"volume_jitter":0.2},"gates":{"charge_balance":"strict","min_distance_ratio":0.6,"volume_per_atom_max":80.0,"volume_per_atom_min":4.0},"generate":{"candidates":1000,"composition_e_above_hull_max":0.05,"max_atoms":20,"mix":{"partial":3.0,"prototypes":2.0,"random":1.0,"substitution":4.0},"parents":[],"parents_e_above_hull_max":0.2,"threshold":0.001},"name":"second","predict":{"batch_size":32,"carry_over":200,"cascade":true,"epochs":40,"learning_rate":0.003,"members":4,"patience":0,"processes":0,"replay_buffer":4000,"retrain":"always","retrain_epochs":6,"retrain_from":"base","retrain_learning_rate":0.0002,"volume_scan":0,"width":null},"rounds":3,"seed":0,"select":{"budget":24,"budget_s":null,"control":4,"e_above_hull_max":0.05,"explore":0.0,"per_composition":1,"per_system":0,"strategy":"p_stable","substitution_share":0.0},"sources":{"files":[],"include_gnome":false,"licences":"any","materials_project":[],"releases":[],"seed":true},"space":{"allow_radioactive":false,"allow_uncovered":false,"chemical_systems":[],"elements":["Li","Na","K","Mg","Ca","Sr","Ba","Al","Si","Ti","Mn","Fe","Zn","N","P","O","S","F","Cl"],"max_elements":4,"min_elements":2},"stop":{"hit_rate":0.05,"min_new_fraction":0.01,"patience":2},"verify":{"calculator":"chgnet","calculator_kwargs":{},"corrections":"auto","deadline_s":120.0,"fmax_ev_per_ang":0.05,"level":{},"levels":[],"max_steps":200,"memory_gib":6.0,"prerelax":"off","processes":0,"symmetry":"broken","trajectories":"off","tries":2}}','test-1','156f82dc674e7d6c',11,'2026-11-30T23:22:20.648+00:00',290559010);
CREATE TABLE campaign_candidate (
	campaign VARCHAR(64) NOT NULL, 
	round INTEGER NOT NULL, 
	candidate_id VARCHAR(32) NOT NULL, 
	PRIMARY KEY (campaign, round, candidate_id), 
	FOREIGN KEY(campaign) REFERENCES campaign (name), 
	FOREIGN KEY(candidate_id) REFERENCES candidate (id)
);
INSERT INTO "campaign_candidate" VALUES('first',1,'gl-182440fa239b82f6');
INSERT INTO "campaign_candidate" VALUES('first',1,'gl-e7f5988d5549c50e');
INSERT INTO "campaign_candidate" VALUES('first',1,'gl-691f2130ec4028e3');
INSERT INTO "campaign_candidate" VALUES('first',1,'gl-06f98365542e8040');
INSERT INTO "campaign_candidate" VALUES('first',1,'gl-78e8e464092afdca');
INSERT INTO "campaign_candidate" VALUES('first',1,'gl-ba3bbdec0de696b6');
INSERT INTO "campaign_candidate" VALUES('second',1,'gl-182440fa239b82f6');
INSERT INTO "campaign_candidate" VALUES('second',1,'gl-e7f5988d5549c50e');
INSERT INTO "campaign_candidate" VALUES('second',1,'gl-691f2130ec4028e3');
INSERT INTO "campaign_candidate" VALUES('second',1,'gl-06f98365542e8040');
INSERT INTO "campaign_candidate" VALUES('second',1,'gl-78e8e464092afdca');
INSERT INTO "campaign_candidate" VALUES('second',1,'gl-ba3bbdec0de696b6');
CREATE TABLE candidate (
	id VARCHAR(32) NOT NULL, 
	formula TEXT NOT NULL, 
	chemical_system TEXT NOT NULL, 
	n_sites INTEGER NOT NULL CHECK (n_sites > 0), 
	elements_low BIGINT NOT NULL, 
	elements_high BIGINT NOT NULL, 
	fingerprint TEXT NOT NULL, 
	parent_id TEXT NOT NULL, 
	generator TEXT NOT NULL, 
	change TEXT NOT NULL, 
	probability FLOAT, 
	multiplicity INTEGER DEFAULT 1 NOT NULL, 
	campaign VARCHAR(64) NOT NULL, 
	round INTEGER NOT NULL, 
	checksum BIGINT DEFAULT 0 NOT NULL, 
	PRIMARY KEY (id), 
	CHECK (probability IS NULL OR (probability >= 0.0 AND probability <= 1.0)), 
	FOREIGN KEY(campaign) REFERENCES campaign (name)
);
INSERT INTO "candidate" VALUES('gl-182440fa239b82f6','LiF','F-Li',2,260,0,'f0','ref-11','substitution','Na1+ -> K1+',0.5,1,'first',1,1902953425);
INSERT INTO "candidate" VALUES('gl-e7f5988d5549c50e','NaCl','Cl-Na',2,66560,0,'f1','ref-11','substitution','Na1+ -> K1+',NULL,2,'first',1,2691257791);
INSERT INTO "candidate" VALUES('gl-691f2130ec4028e3','KCl','Cl-K',2,327680,0,'f2','ref-11','substitution','Na1+ -> K1+',NULL,3,'first',1,3383357057);
INSERT INTO "candidate" VALUES('gl-06f98365542e8040','NaMnF3','F-Mn-Na',5,16778496,0,'f3','ref-11','substitution','Na1+ -> K1+',NULL,4,'first',1,1142065356);
INSERT INTO "candidate" VALUES('gl-78e8e464092afdca','SrTiO3','O-Sr-Ti',5,137441050752,0,'f4','ref-11','substitution','Na1+ -> K1+',NULL,5,'first',1,4250266743);
INSERT INTO "candidate" VALUES('gl-ba3bbdec0de696b6','HfC','C-Hf',2,32,4096,'f5','ref-11','substitution','Na1+ -> K1+',NULL,6,'first',1,1029727788);
CREATE TABLE crystal (
	candidate_id VARCHAR(32) NOT NULL, 
	level VARCHAR(128) NOT NULL, 
	content BLOB NOT NULL, 
	checksum BIGINT DEFAULT 0 NOT NULL, 
	PRIMARY KEY (candidate_id, level), 
	FOREIGN KEY(candidate_id) REFERENCES candidate (id)
);
INSERT INTO "crystal" VALUES('gl-182440fa239b82f6','',X'03000900000000000000000000000000000000000000000000000000000000000000E03F000000000000E03F000000000000E03F000000000000000066666666666600406666666666660040666666666666004000000000000000006666666666660040666666666666004066666666666600400000000000000000',478363341);
INSERT INTO "crystal" VALUES('gl-e7f5988d5549c50e','',X'0B001100000000000000000000000000000000000000000000000000000000000000E03F000000000000E03F000000000000E03F0000000000000000CDCCCCCCCCCC0640CDCCCCCCCCCC0640CDCCCCCCCCCC06400000000000000000CDCCCCCCCCCC0640CDCCCCCCCCCC0640CDCCCCCCCCCC06400000000000000000',1327680175);
INSERT INTO "crystal" VALUES('gl-691f2130ec4028e3','',X'13001100000000000000000000000000000000000000000000000000000000000000E03F000000000000E03F000000000000E03F000000000000000033333333333309403333333333330940333333333333094000000000000000003333333333330940333333333333094033333333333309400000000000000000',2369936314);
INSERT INTO "crystal" VALUES('gl-06f98365542e8040','',X'0B001900090009000900000000000000000000000000000000000000000000000000000000000000E03F000000000000E03F000000000000E03F000000000000E03F000000000000E03F0000000000000000000000000000E03F0000000000000000000000000000E03F0000000000000000000000000000E03F000000000000E03FCDCCCCCCCCCC1040000000000000000000000000000000000000000000000000CDCCCCCCCCCC1040000000000000000000000000000000000000000000000000CDCCCCCCCCCC1040',2219044419);
INSERT INTO "crystal" VALUES('gl-78e8e464092afdca','',X'26001600080008000800000000000000000000000000000000000000000000000000000000000000E03F000000000000E03F000000000000E03F000000000000E03F000000000000E03F0000000000000000000000000000E03F0000000000000000000000000000E03F0000000000000000000000000000E03F000000000000E03F3333333333330F400000000000000000000000000000000000000000000000003333333333330F400000000000000000000000000000000000000000000000003333333333330F40',2270361160);
INSERT INTO "crystal" VALUES('gl-ba3bbdec0de696b6','',X'48000600000000000000000000000000000000000000000000000000000000000000E03F000000000000E03F000000000000E03F0000000000000000CDCCCCCCCCCC0240CDCCCCCCCCCC0240CDCCCCCCCCCC02400000000000000000CDCCCCCCCCCC0240CDCCCCCCCCCC0240CDCCCCCCCCCC02400000000000000000',750310968);
INSERT INTO "crystal" VALUES('gl-182440fa239b82f6','test-1',X'03000900000000000000000000000000000000000000000000000000000000000000E03F000000000000E03F000000000000E03F0000000000000000AAF1D24D62900040AAF1D24D62900040AAF1D24D629000400000000000000000AAF1D24D62900040AAF1D24D62900040AAF1D24D629000400000000000000000',1703050295);
INSERT INTO "crystal" VALUES('gl-e7f5988d5549c50e','test-1',X'0B001100000000000000000000000000000000000000000000000000000000000000E03F000000000000E03F000000000000E03F0000000000000000BB490C022B070740BB490C022B070740BB490C022B0707400000000000000000BB490C022B070740BB490C022B070740BB490C022B0707400000000000000000',119356401);
INSERT INTO "crystal" VALUES('gl-691f2130ec4028e3','test-1',X'13001100000000000000000000000000000000000000000000000000000000000000E03F000000000000E03F000000000000E03F0000000000000000C0CAA145B6730940C0CAA145B6730940C0CAA145B67309400000000000000000C0CAA145B6730940C0CAA145B6730940C0CAA145B67309400000000000000000',889935297);
INSERT INTO "crystal" VALUES('gl-06f98365542e8040','test-1',X'0B001900090009000900000000000000000000000000000000000000000000000000000000000000E03F000000000000E03F000000000000E03F000000000000E03F000000000000E03F0000000000000000000000000000E03F0000000000000000000000000000E03F0000000000000000000000000000E03F000000000000E03F2B8716D9CEF710400000000000000000000000000000000000000000000000002B8716D9CEF710400000000000000000000000000000000000000000000000002B8716D9CEF71040',2990612929);
INSERT INTO "crystal" VALUES('gl-78e8e464092afdca','test-1',X'26001600080008000800000000000000000000000000000000000000000000000000000000000000E03F000000000000E03F000000000000E03F000000000000E03F000000000000E03F0000000000000000000000000000E03F0000000000000000000000000000E03F0000000000000000000000000000E03F000000000000E03F508D976E12830F40000000000000000000000000000000000000000000000000508D976E12830F40000000000000000000000000000000000000000000000000508D976E12830F40',3993045799);
INSERT INTO "crystal" VALUES('gl-182440fa239b82f6','higher-1',X'03000900000000000000000000000000000000000000000000000000000000000000E03F000000000000E03F000000000000E03F0000000000000000AAF1D24D62900040AAF1D24D62900040AAF1D24D629000400000000000000000AAF1D24D62900040AAF1D24D62900040AAF1D24D629000400000000000000000',1949737980);
CREATE TABLE fence (
	campaign VARCHAR(64) NOT NULL, 
	number BIGINT NOT NULL, 
	PRIMARY KEY (campaign)
);
CREATE TABLE judgement (
	serial INTEGER NOT NULL, 
	campaign VARCHAR(64) NOT NULL, 
	round INTEGER NOT NULL, 
	cause TEXT NOT NULL, 
	hull_id TEXT NOT NULL, 
	reference_set_id TEXT NOT NULL, 
	figures TEXT NOT NULL, 
	issued_at TEXT NOT NULL, 
	level VARCHAR(128) DEFAULT '' NOT NULL, 
	checksum BIGINT DEFAULT 0 NOT NULL, 
	PRIMARY KEY (serial), 
	FOREIGN KEY(campaign) REFERENCES campaign (name)
);
INSERT INTO "judgement" VALUES(1,'first',1,'judged','hull-1','156f82dc674e7d6c','{"judged":4}','2026-11-30T23:22:20.202+00:00','test-1',2028344112);
INSERT INTO "judgement" VALUES(2,'first',1,'judged','hull-of-higher','set-1','{"hull":"hull-of-higher","reference_set":"set-1"}','2026-11-30T23:22:20.491+00:00','higher-1',605006883);
INSERT INTO "judgement" VALUES(3,'first',1,'crystals verified since','hull-2','156f82dc674e7d6c','{"moved":1}','2026-11-30T23:22:20.559+00:00','test-1',2205537877);
INSERT INTO "judgement" VALUES(4,'second',1,'judged','hull-1','156f82dc674e7d6c','{"judged":4}','2026-11-30T23:22:21.187+00:00','test-1',2733747651);
CREATE TABLE meta (
	"key" VARCHAR(64) NOT NULL, 
	value TEXT NOT NULL, 
	PRIMARY KEY ("key")
);
INSERT INTO "meta" VALUES('schema_version','6');
INSERT INTO "meta" VALUES('schema_digest','baf04c065ed1432537fb0a3cb8f98959');
CREATE TABLE model (
	campaign VARCHAR(64) NOT NULL, 
	round INTEGER NOT NULL, 
	id TEXT NOT NULL, 
	path TEXT NOT NULL, 
	n_train INTEGER NOT NULL, 
	n_holdout INTEGER NOT NULL, 
	holdout_mae_ev_per_atom FLOAT, 
	promoted BOOLEAN NOT NULL, 
	checksum BIGINT DEFAULT 0 NOT NULL, 
	PRIMARY KEY (campaign, round), 
	CHECK (holdout_mae_ev_per_atom IS NULL OR (holdout_mae_ev_per_atom >= 0.0 AND holdout_mae_ev_per_atom <= 1000000000.0)), 
	FOREIGN KEY(campaign) REFERENCES campaign (name)
);
INSERT INTO "model" VALUES('first',0,'model-0','models/0',90,10,0.05,1,1970208382);
INSERT INTO "model" VALUES('first',1,'model-1','models/1',100,10,0.04,0,896067481);
INSERT INTO "model" VALUES('second',0,'model-0','models/0',90,10,0.05,1,1448139564);
INSERT INTO "model" VALUES('second',1,'model-1','models/1',100,10,0.04,0,674111431);
CREATE TABLE prediction (
	campaign VARCHAR(64) NOT NULL, 
	round INTEGER NOT NULL, 
	candidate_id VARCHAR(32) NOT NULL, 
	e_form_ev_per_atom FLOAT NOT NULL, 
	spread_ev_per_atom FLOAT NOT NULL, 
	e_above_hull_ev_per_atom FLOAT NOT NULL, 
	p_stable FLOAT NOT NULL, 
	model_id TEXT NOT NULL, 
	expected_improvement_ev_per_atom FLOAT, 
	checksum BIGINT DEFAULT 0 NOT NULL, 
	PRIMARY KEY (campaign, round, candidate_id), 
	CHECK (e_form_ev_per_atom IS NULL OR (e_form_ev_per_atom >= -1000000000.0 AND e_form_ev_per_atom <= 1000000000.0)), 
	CHECK (spread_ev_per_atom IS NULL OR (spread_ev_per_atom >= -1e-06 AND spread_ev_per_atom <= 1000000000.0)), 
	CHECK (e_above_hull_ev_per_atom IS NULL OR (e_above_hull_ev_per_atom >= -1000000000.0 AND e_above_hull_ev_per_atom <= 1000000000.0)), 
	CHECK (p_stable IS NULL OR (p_stable >= 0.0 AND p_stable <= 1.0)), 
	FOREIGN KEY(campaign) REFERENCES campaign (name), 
	FOREIGN KEY(candidate_id) REFERENCES candidate (id)
);
INSERT INTO "prediction" VALUES('first',1,'gl-182440fa239b82f6',-1.5,0.02,0.01,0.9,'model-0',NULL,438147905);
INSERT INTO "prediction" VALUES('first',1,'gl-e7f5988d5549c50e',-1.5,0.02,0.01,0.8,'model-0',NULL,3456276305);
INSERT INTO "prediction" VALUES('first',1,'gl-691f2130ec4028e3',-1.5,0.02,0.01,0.7,'model-0',NULL,2184165158);
INSERT INTO "prediction" VALUES('first',1,'gl-06f98365542e8040',-1.5,0.02,0.01,0.6,'model-0',NULL,1413991001);
INSERT INTO "prediction" VALUES('first',1,'gl-78e8e464092afdca',-1.5,0.02,0.01,0.5,'model-0',NULL,465806190);
INSERT INTO "prediction" VALUES('first',1,'gl-ba3bbdec0de696b6',-1.5,0.02,0.01,0.4,'model-0',NULL,2711691840);
INSERT INTO "prediction" VALUES('second',1,'gl-182440fa239b82f6',-1.5,0.02,0.01,0.9,'model-0',NULL,1336053176);
INSERT INTO "prediction" VALUES('second',1,'gl-e7f5988d5549c50e',-1.5,0.02,0.01,0.8,'model-0',NULL,587646315);
INSERT INTO "prediction" VALUES('second',1,'gl-691f2130ec4028e3',-1.5,0.02,0.01,0.7,'model-0',NULL,3174859378);
INSERT INTO "prediction" VALUES('second',1,'gl-06f98365542e8040',-1.5,0.02,0.01,0.6,'model-0',NULL,1999896608);
INSERT INTO "prediction" VALUES('second',1,'gl-78e8e464092afdca',-1.5,0.02,0.01,0.5,'model-0',NULL,2243903027);
INSERT INTO "prediction" VALUES('second',1,'gl-ba3bbdec0de696b6',-1.5,0.02,0.01,0.4,'model-0',NULL,204870344);
CREATE TABLE report (
	campaign VARCHAR(64) NOT NULL, 
	round INTEGER NOT NULL, 
	body TEXT NOT NULL, 
	checksum BIGINT DEFAULT 0 NOT NULL, 
	PRIMARY KEY (campaign, round), 
	FOREIGN KEY(campaign) REFERENCES campaign (name)
);
INSERT INTO "report" VALUES('first',1,'{"by_generator":{},"calibration_error":0.1,"confirmed":{},"control":1,"control_hit_rate":null,"daf":null,"duplicates":5,"expected_hit_rate":null,"failed":1,"failures":{"timeout":1},"gate_causes":{"too close":10},"gated":10,"generated":100,"hit_rate":0.4,"hits":2,"hull_id":"hull-1","kept":null,"mae_ev_per_atom":0.05,"model_id":"model-0","new_prototypes":0,"novel":2,"ordering_suspects":0,"round":1,"screened":6,"seconds":{"verify":9.0},"skipped":{},"stable":2,"too_deep":0,"verified":5}',2964042704);
INSERT INTO "report" VALUES('second',1,'{"by_generator":{},"calibration_error":0.1,"confirmed":{},"control":1,"control_hit_rate":null,"daf":null,"duplicates":5,"expected_hit_rate":null,"failed":1,"failures":{"timeout":1},"gate_causes":{"too close":10},"gated":10,"generated":100,"hit_rate":0.4,"hits":2,"hull_id":"hull-1","kept":null,"mae_ev_per_atom":0.05,"model_id":"model-0","new_prototypes":0,"novel":2,"ordering_suspects":0,"round":1,"screened":6,"seconds":{"verify":9.0},"skipped":{},"stable":2,"too_deep":0,"verified":5}',3282624671);
CREATE TABLE selection (
	campaign VARCHAR(64) NOT NULL, 
	level VARCHAR(128) NOT NULL, 
	round INTEGER NOT NULL, 
	candidate_id VARCHAR(32) NOT NULL, 
	rank INTEGER NOT NULL, 
	role VARCHAR(16) NOT NULL CHECK (role IN ('chosen', 'control')), 
	checksum BIGINT DEFAULT 0 NOT NULL, 
	PRIMARY KEY (campaign, level, round, candidate_id), 
	FOREIGN KEY(campaign) REFERENCES campaign (name), 
	FOREIGN KEY(candidate_id) REFERENCES candidate (id)
);
INSERT INTO "selection" VALUES('first','test-1',1,'gl-182440fa239b82f6',0,'chosen',1550810866);
INSERT INTO "selection" VALUES('first','test-1',1,'gl-e7f5988d5549c50e',1,'chosen',2118616050);
INSERT INTO "selection" VALUES('first','test-1',1,'gl-691f2130ec4028e3',2,'chosen',16507324);
INSERT INTO "selection" VALUES('first','test-1',1,'gl-06f98365542e8040',3,'chosen',52125393);
INSERT INTO "selection" VALUES('first','test-1',1,'gl-78e8e464092afdca',4,'control',3675805612);
INSERT INTO "selection" VALUES('first','higher-1',1,'gl-182440fa239b82f6',0,'chosen',2429333248);
INSERT INTO "selection" VALUES('second','test-1',1,'gl-182440fa239b82f6',0,'chosen',2936584252);
INSERT INTO "selection" VALUES('second','test-1',1,'gl-e7f5988d5549c50e',1,'chosen',3655901829);
INSERT INTO "selection" VALUES('second','test-1',1,'gl-691f2130ec4028e3',2,'chosen',1510860800);
INSERT INTO "selection" VALUES('second','test-1',1,'gl-06f98365542e8040',3,'chosen',220573908);
INSERT INTO "selection" VALUES('second','test-1',1,'gl-78e8e464092afdca',4,'control',17029666);
CREATE TABLE stage (
	campaign VARCHAR(64) NOT NULL, 
	round INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	figures TEXT NOT NULL, 
	finished_at TEXT NOT NULL, 
	checksum BIGINT DEFAULT 0 NOT NULL, 
	PRIMARY KEY (campaign, round, name), 
	FOREIGN KEY(campaign) REFERENCES campaign (name)
);
INSERT INTO "stage" VALUES('first',1,'generate','{"kept":6}','2026-11-30T23:22:19.743+00:00',789229105);
INSERT INTO "stage" VALUES('first',1,'predict','{}','2026-11-30T23:22:19.812+00:00',760461898);
INSERT INTO "stage" VALUES('first',1,'acquire','{"chosen":4}','2026-11-30T23:22:19.861+00:00',1582807554);
INSERT INTO "stage" VALUES('first',1,'verify','{"seconds":9.0,"verified":5}','2026-11-30T23:22:20.150+00:00',3767830231);
INSERT INTO "stage" VALUES('first',1,'judge','{"judged":4}','2026-11-30T23:22:20.249+00:00',2087672126);
INSERT INTO "stage" VALUES('first',1,'learn','{}','2026-11-30T23:22:20.282+00:00',3484698312);
INSERT INTO "stage" VALUES('first',1,'acquire higher-1','{"chosen":1}','2026-11-30T23:22:20.386+00:00',301662684);
INSERT INTO "stage" VALUES('first',1,'judge higher-1','{"hull":"hull-of-higher","reference_set":"set-1"}','2026-11-30T23:22:20.523+00:00',3109560417);
INSERT INTO "stage" VALUES('second',1,'generate','{"kept":6}','2026-11-30T23:22:20.778+00:00',3790302626);
INSERT INTO "stage" VALUES('second',1,'predict','{}','2026-11-30T23:22:20.831+00:00',2722562695);
INSERT INTO "stage" VALUES('second',1,'acquire','{"chosen":4}','2026-11-30T23:22:20.883+00:00',4259119261);
INSERT INTO "stage" VALUES('second',1,'verify','{"seconds":9.0,"verified":5}','2026-11-30T23:22:21.103+00:00',2872306599);
INSERT INTO "stage" VALUES('second',1,'judge','{"judged":4}','2026-11-30T23:22:21.233+00:00',2913696587);
INSERT INTO "stage" VALUES('second',1,'learn','{}','2026-11-30T23:22:21.278+00:00',2837534509);
CREATE TABLE verdict (
	serial INTEGER NOT NULL, 
	campaign VARCHAR(64) NOT NULL, 
	round INTEGER NOT NULL, 
	candidate_id VARCHAR(32) NOT NULL, 
	hull_id TEXT NOT NULL, 
	level VARCHAR(128) NOT NULL, 
	e_form_ev_per_atom FLOAT NOT NULL, 
	e_above_hull_ev_per_atom FLOAT NOT NULL, 
	decomposition_ev_per_atom FLOAT NOT NULL, 
	products TEXT NOT NULL, 
	novel BOOLEAN NOT NULL, 
	nearest_known TEXT, 
	ordering_suspect BOOLEAN NOT NULL, 
	flags TEXT DEFAULT '[]' NOT NULL, 
	analogue TEXT, 
	prototype TEXT DEFAULT '' NOT NULL, 
	new_prototype BOOLEAN DEFAULT false NOT NULL, 
	latest_of_campaign BOOLEAN NOT NULL, 
	latest BOOLEAN NOT NULL, 
	judgement INTEGER, 
	latest_at_level BOOLEAN DEFAULT false NOT NULL, 
	checksum BIGINT DEFAULT 0 NOT NULL, 
	PRIMARY KEY (serial), 
	FOREIGN KEY(candidate_id, level) REFERENCES verification (candidate_id, level), 
	CHECK (e_form_ev_per_atom IS NULL OR (e_form_ev_per_atom >= -1000000000.0 AND e_form_ev_per_atom <= 1000000000.0)), 
	CHECK (e_above_hull_ev_per_atom IS NULL OR (e_above_hull_ev_per_atom >= 0.0 AND e_above_hull_ev_per_atom <= 1000000000.0)), 
	CHECK (decomposition_ev_per_atom IS NULL OR (decomposition_ev_per_atom >= -1000000000.0 AND decomposition_ev_per_atom <= 1000000000.0)), 
	FOREIGN KEY(campaign) REFERENCES campaign (name), 
	FOREIGN KEY(candidate_id) REFERENCES candidate (id), 
	FOREIGN KEY(judgement) REFERENCES judgement (serial)
);
INSERT INTO "verdict" VALUES(1,'first',1,'gl-182440fa239b82f6','hull-1','test-1',-1.0,0.0,-0.2,'[["ref-3","Li",0.5],["ref-9","F2",0.5]]',1,NULL,0,'["O2 dimer at 1.21 \u00c5"]','ref-3','AB_cF8_225_a_b',1,1,0,1,0,437829984);
INSERT INTO "verdict" VALUES(2,'first',1,'gl-e7f5988d5549c50e','hull-1','test-1',-1.0,0.1,0.1,'[["ref-3","Li",0.5],["ref-9","F2",0.5]]',1,NULL,0,'["O2 dimer at 1.21 \u00c5"]','ref-3','AB_cF8_225_a_b',1,1,0,1,0,1625134369);
INSERT INTO "verdict" VALUES(3,'first',1,'gl-691f2130ec4028e3','hull-1','test-1',-1.0,0.0,-0.2,'[["ref-3","Li",0.5],["ref-9","F2",0.5]]',0,NULL,0,'["O2 dimer at 1.21 \u00c5"]','ref-3','AB_cF8_225_a_b',1,1,0,1,0,1034660260);
INSERT INTO "verdict" VALUES(4,'first',1,'gl-06f98365542e8040','hull-1','test-1',-1.0,0.03,0.03,'[["ref-3","Li",0.5],["ref-9","F2",0.5]]',1,NULL,0,'["O2 dimer at 1.21 \u00c5"]','ref-3','AB_cF8_225_a_b',1,0,0,1,0,23304451);
INSERT INTO "verdict" VALUES(5,'first',1,'gl-182440fa239b82f6','hull-of-higher','higher-1',-1.0,0.02,0.02,'[["ref-3","Li",0.5],["ref-9","F2",0.5]]',1,NULL,0,'["O2 dimer at 1.21 \u00c5"]','ref-3','AB_cF8_225_a_b',1,1,0,2,1,1375060258);
INSERT INTO "verdict" VALUES(6,'first',1,'gl-06f98365542e8040','hull-2','test-1',-1.0,0.05,0.05,'[["ref-3","Li",0.5],["ref-9","F2",0.5]]',1,NULL,0,'["O2 dimer at 1.21 \u00c5"]','ref-3','AB_cF8_225_a_b',1,1,0,3,0,358326769);
INSERT INTO "verdict" VALUES(7,'second',1,'gl-182440fa239b82f6','hull-1','test-1',-1.0,0.0,-0.2,'[["ref-3","Li",0.5],["ref-9","F2",0.5]]',1,NULL,0,'["O2 dimer at 1.21 \u00c5"]','ref-3','AB_cF8_225_a_b',1,1,1,4,1,1620918354);
INSERT INTO "verdict" VALUES(8,'second',1,'gl-e7f5988d5549c50e','hull-1','test-1',-1.0,0.1,0.1,'[["ref-3","Li",0.5],["ref-9","F2",0.5]]',1,NULL,0,'["O2 dimer at 1.21 \u00c5"]','ref-3','AB_cF8_225_a_b',1,1,1,4,1,1437831518);
INSERT INTO "verdict" VALUES(9,'second',1,'gl-691f2130ec4028e3','hull-1','test-1',-1.0,0.0,-0.2,'[["ref-3","Li",0.5],["ref-9","F2",0.5]]',0,NULL,0,'["O2 dimer at 1.21 \u00c5"]','ref-3','AB_cF8_225_a_b',1,1,1,4,1,1359838108);
INSERT INTO "verdict" VALUES(10,'second',1,'gl-06f98365542e8040','hull-1','test-1',-1.0,0.03,0.03,'[["ref-3","Li",0.5],["ref-9","F2",0.5]]',1,NULL,0,'["O2 dimer at 1.21 \u00c5"]','ref-3','AB_cF8_225_a_b',1,1,1,4,1,2458865527);
CREATE TABLE verification (
	candidate_id VARCHAR(32) NOT NULL, 
	level VARCHAR(128) NOT NULL, 
	campaign VARCHAR(64) NOT NULL, 
	round INTEGER NOT NULL, 
	energy_ev FLOAT, 
	max_force_ev_per_ang FLOAT, 
	n_steps INTEGER NOT NULL, 
	converged BOOLEAN NOT NULL, 
	seconds FLOAT NOT NULL, 
	failure TEXT, 
	detail TEXT NOT NULL, 
	volume_per_atom FLOAT, 
	density FLOAT, 
	space_group_number INTEGER, 
	space_group TEXT, 
	fingerprint TEXT DEFAULT '' NOT NULL, 
	checksum BIGINT DEFAULT 0 NOT NULL, 
	PRIMARY KEY (candidate_id, level), 
	FOREIGN KEY(candidate_id, level) REFERENCES crystal (candidate_id, level), 
	CHECK (failure IS NOT NULL OR (energy_ev IS NOT NULL AND max_force_ev_per_ang IS NOT NULL AND volume_per_atom IS NOT NULL AND volume_per_atom > 0)), 
	CHECK (energy_ev IS NULL OR (energy_ev >= -1000000000.0 AND energy_ev <= 1000000000.0)), 
	CHECK (max_force_ev_per_ang IS NULL OR (max_force_ev_per_ang >= 0.0 AND max_force_ev_per_ang <= 1000000000.0)), 
	CHECK (seconds IS NULL OR (seconds >= 0.0 AND seconds <= 1000000000.0)), 
	CHECK (space_group_number IS NULL OR (space_group_number >= 1 AND space_group_number <= 230)), 
	FOREIGN KEY(candidate_id) REFERENCES candidate (id), 
	FOREIGN KEY(campaign) REFERENCES campaign (name)
);
INSERT INTO "verification" VALUES('gl-182440fa239b82f6','test-1','first',1,-9.0,0.03,12,1,1.5,NULL,'',8.87617190262499811126e+00,2.42625606229216206344e+00,225,'Fm-3m','',4280838759);
INSERT INTO "verification" VALUES('gl-e7f5988d5549c50e','test-1','first',1,-10.0,0.03,12,1,1.5,NULL,'',2.38505666366250039804e+01,2.03436508262058035612e+00,225,'Fm-3m','',1244217688);
INSERT INTO "verification" VALUES('gl-691f2130ec4028e3','test-1','first',1,-11.0,0.03,12,1,1.5,NULL,'',3.22029592683749683597e+01,1.92203398866180563686e+00,225,'Fm-3m','',4002896313);
INSERT INTO "verification" VALUES('gl-06f98365542e8040','test-1','first',1,-12.0,0.03,12,1,1.5,NULL,'',1.52665880975999925794e+01,2.935101790385071574e+00,221,'Pm-3m','',79243756);
INSERT INTO "verification" VALUES('gl-78e8e464092afdca','test-1','first',1,NULL,NULL,12,0,1.5,'timeout','',NULL,NULL,NULL,NULL,'',4142048690);
INSERT INTO "verification" VALUES('gl-182440fa239b82f6','higher-1','first',1,-9.5,0.03,12,1,1.5,NULL,'',8.87617190262499811126e+00,2.42625606229216206344e+00,225,'Fm-3m','',3770100977);
CREATE INDEX ix_candidate_formula ON candidate (formula, id);
CREATE INDEX ix_candidate_round ON candidate (round, id);
CREATE INDEX ix_candidate_n_sites ON candidate (n_sites, id);
CREATE INDEX ix_candidate_elements ON candidate (elements_low, elements_high, n_sites, id);
CREATE INDEX ix_candidate_fingerprint ON candidate (fingerprint);
CREATE INDEX ix_candidate_chemical_system ON candidate (chemical_system);
CREATE INDEX ix_judgement_campaign ON judgement (campaign, level, round);
CREATE INDEX ix_campaign_candidate_candidate ON campaign_candidate (candidate_id, campaign, round);
CREATE INDEX ix_prediction_candidate ON prediction (candidate_id, campaign, round);
CREATE INDEX ix_prediction_e_above_hull ON prediction (e_above_hull_ev_per_atom, candidate_id);
CREATE INDEX ix_prediction_p_stable ON prediction (p_stable, candidate_id);
CREATE UNIQUE INDEX uq_selection ON selection (candidate_id, campaign, level);
CREATE INDEX ix_verification_space_group ON verification (space_group_number);
CREATE INDEX ix_verification_campaign ON verification (campaign, level, round, failure);
CREATE INDEX ix_verification_level ON verification (level, candidate_id, failure);
CREATE INDEX ix_verification_round ON verification (round, candidate_id, level);
CREATE INDEX ix_verdict_latest_at_level_decomposition ON verdict (level, decomposition_ev_per_atom, candidate_id, e_above_hull_ev_per_atom, latest_at_level) WHERE latest_at_level = 1;
CREATE INDEX ix_verdict_latest_of_campaign_e_form ON verdict (campaign, level, e_form_ev_per_atom, candidate_id, e_above_hull_ev_per_atom, latest_of_campaign) WHERE latest_of_campaign = 1;
CREATE INDEX ix_verdict_campaign ON verdict (campaign, level, round);
CREATE INDEX ix_verdict_latest_of_campaign_decomposition ON verdict (campaign, level, decomposition_ev_per_atom, candidate_id, e_above_hull_ev_per_atom, latest_of_campaign) WHERE latest_of_campaign = 1;
CREATE INDEX ix_verdict_candidate ON verdict (candidate_id, level, campaign);
CREATE INDEX ix_verdict_latest_at_level ON verdict (level, e_above_hull_ev_per_atom, candidate_id, e_form_ev_per_atom, decomposition_ev_per_atom, latest_at_level) WHERE latest_at_level = 1;
CREATE INDEX ix_verdict_prototype ON verdict (prototype);
CREATE INDEX ix_verdict_latest ON verdict (e_above_hull_ev_per_atom, candidate_id, e_form_ev_per_atom, decomposition_ev_per_atom, latest) WHERE latest = 1;
CREATE INDEX ix_verdict_latest_decomposition ON verdict (decomposition_ev_per_atom, candidate_id, e_above_hull_ev_per_atom, latest) WHERE latest = 1;
CREATE INDEX ix_verdict_latest_at_level_e_form ON verdict (level, e_form_ev_per_atom, candidate_id, e_above_hull_ev_per_atom, latest_at_level) WHERE latest_at_level = 1;
CREATE INDEX ix_verdict_latest_e_form ON verdict (e_form_ev_per_atom, candidate_id, e_above_hull_ev_per_atom, latest) WHERE latest = 1;
CREATE INDEX ix_verdict_latest_of_campaign ON verdict (campaign, level, e_above_hull_ev_per_atom, candidate_id, e_form_ev_per_atom, decomposition_ev_per_atom, latest_of_campaign) WHERE latest_of_campaign = 1;
CREATE UNIQUE INDEX uq_verdict ON verdict (judgement, candidate_id);
COMMIT;
